"""The retail example's raw data, record by record, with the fate that each record was given when it was written."""
