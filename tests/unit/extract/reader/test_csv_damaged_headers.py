"""Damaged headers: refused, or read by position where the contract, the number of columns and the types agree."""

from __future__ import annotations

import pytest

TYPED = {"id": {"type": "integer"}, "name": {"type": "string"}, "price": {"type": "decimal(8,2)", "required": True}}
TEXTS = {name: {"type": "string"} for name in TYPED}
BODY = b'1,ann,1.50\n2,"bob, jr",2.00\n3,cid,3.25\n'
BY_POSITION = {"csv": {"damaged_header": "by_position"}}
DAMAGED = [
    b"id,name,,price", b",id,name,price", b"id,name,price,", b"idname,price", b"id;name;price", b'"id,name,price',
    b'id,"name,price', b'id,name,"price', b'"id",""name","price"', b'id,n"ame,price', b"id,name,pr,ice",
    b"id,name,p.rice", b"id,name,HEAD/%R", b"id,,price", b"id\tname\tprice",
]  # fmt: skip


@pytest.mark.parametrize("header", DAMAGED)
@pytest.mark.parametrize("schema", [TYPED, TEXTS], ids=["typed", "texts"])
def test_a_damaged_header_gives_the_columns_by_position_and_a_note(read, header, schema):
    result = read(header + b"\n" + BODY, schema, source=BY_POSITION)
    assert [str(row["id"]) for row in result.rows] == ["1", "2", "3"]
    assert [row["name"] for row in result.rows] == ["ann", "bob, jr", "cid"]
    assert [str(row["price"]) for row in result.rows] == ["1.50", "2.00", "3.25"]
    assert result.rejects == []
    assert "by their place" in " ".join(result.count.notes)


@pytest.mark.parametrize("header", DAMAGED)
def test_without_the_option_no_column_is_taken_by_position(read, header):
    result = read(header + b"\n" + BODY, TYPED)
    assert not any("by their place" in note for note in result.count.notes)


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"name,id,prices", BODY),
        (b"id,price,other", BODY),
        (b"name,price,extra", BODY),
        (b"a,b,c", BODY),
        (b"id,name,name", BODY),
        (b"1,ann,1.50", BODY),
        (b"id,name,HEAD", b"1,ann,x\n2,bob,y\n"),
        (b"id,name,HEAD", b"1,ann\n2,bob\n"),
        (b"id,name,HEAD", b"1,ann,1.50,x\n2,bob,1.50,y\n"),
        (b"id,name,HEAD", b""),
    ],
)
def test_columns_are_not_taken_by_position_where_names_number_or_types_disagree(read, header, body):
    result = read(header + b"\n" + body, TYPED, source=BY_POSITION)
    assert result.rows == []
    assert result.count.rejected == body.count(b"\n") + 1


def test_columns_that_moved_are_not_taken_by_position_in_files_of_text(read):
    schema = {name: {"type": "string"} for name in "abcd"}
    for header in (b"a,c,d,e", b"b,a,c,x", b"a,b,d,c,x", b"a,c,b,d,", b"acbd"):
        assert read(header + b"\n1,2,3,4\n", schema, source=BY_POSITION, new_columns="reject").rows == []
