import pyarrow as pa
ROLE="iam_role default"
def test_x(client, place):
    client.run("create table t(id int not null, name varchar(10), s super)")
    place.put_parquet("1.parquet", pa.table({"id":pa.array([1,2],pa.int32()),"name":["a",None],"s":[{"a":1},None]}))
    client.run(f"copy t from '{place.uri}' {ROLE} format as parquet serializetojson")
    print(client.rows("select * from t"))
    print(client.rows("select pg_last_copy_count(), pg_last_copy_id()"))
    print(client.connection.notices if hasattr(client.connection,"notices") else None)
    print(client.rows("select * from sys_load_history"))
    print(client.refused(f"copy t from '{place.uri}' {ROLE} format as parquet"))
    client.run(f"unload ('select id, name from t') to '{place.uri}u/' {ROLE} csv")
    print(place.keys(), place.read("u/0000_part_00"))
    assert 0
