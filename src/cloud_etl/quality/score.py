"""The DataQualityScore."""

from __future__ import annotations

from dataclasses import dataclass

FORMULA = "100 x (1 - rejected_by_reader / records_read) x (1 - (rejected_by_checks + rows_flagged) / rows_checked)"


@dataclass(frozen=True, slots=True)
class Faults:
    """How many records of a batch have a fault; each record counts once, however many checks it fails.

    Attributes:
        records_read: records in the raw files.
        rejected_by_reader: records that did not fit the contract.
        rows_checked: rows that reached the gate, and those that steps took out before.
        rejected_by_checks: rows that steps or checks sent to quarantine.
        rows_flagged: accepted rows that fail a check with on_fail warn or fail.
    """

    records_read: int
    rejected_by_reader: int
    rows_checked: int
    rejected_by_checks: int
    rows_flagged: int

    @property
    def rejected(self) -> int:
        """Records in quarantine."""
        return self.rejected_by_reader + self.rejected_by_checks


def score(faults: Faults) -> float | None:
    """Give the DataQualityScore, 0..100, by FORMULA: the share of records without a fault; None for an empty batch.

    As long as no step changes the number of rows, rows_checked is what the reader let through, and the product is
    100 x (1 - records with a fault / records_read). Written as a product it also holds after steps that fold or
    multiply rows. Duplicates, dropped nulls and filtered rows are no faults. Checks on the whole batch do not count:
    they warn or stop the run by themselves.
    """
    if faults.records_read == 0:
        return None
    readable = 1 - faults.rejected_by_reader / faults.records_read
    faulty = min(faults.rejected_by_checks + faults.rows_flagged, faults.rows_checked)
    sound = 1 - faulty / faults.rows_checked if faults.rows_checked else 1.0
    # Rounded, so that 5 faults in 100 give 95 and not a hair less than a threshold of 95.
    return round(100 * readable * sound, 9)
