"""Which objects of a source a run takes, and why it leaves the others."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from cloud_etl.domain.files import LoadedFiles
from cloud_etl.domain.glob import Glob
from cloud_etl.domain.hints import did_you_mean
from cloud_etl.domain.run import Choice, Listing, SkippedFile
from cloud_etl.errors import SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_etl.domain.files import FileRef
    from cloud_etl.domain.spec import SourceSpec
    from cloud_etl.extract.source_path import SourcePlace
    from cloud_etl.storage.object_store import ObjectInfo

ALREADY_LOADED = "already loaded"
ZERO_BYTES = "zero bytes"
HIDDEN = "hidden: a part of its path begins with . or _ (source.include_hidden: true takes it)"
SUCCESS_MARKER = "marker of a finished job (_SUCCESS)"
UNFINISHED = "output of a job that has not finished (_temporary)"
NOT_CHOSEN = "not among the files that were chosen"
FOLDER_MARKER = "folder marker"
NOT_READ = "archive or compression that is not read; unpack it, or pack it as .gz, .zst or .bz2"

# Files that a message names.
_NAMED = 10
_ARCHIVES = re.compile(
    r"\.(zip|tar|tgz|tbz2?|txz|tar\.\w+|7z|rar|xz|lzma|lz4|lzo|snappy|sz|z|br|jar|cab)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Selection:
    """Lists a place and sorts its objects into those to take and those to leave."""

    place: SourcePlace
    source: SourceSpec
    choice: Choice = field(default_factory=Choice)

    def listing(self, loaded: frozenset[str]) -> Listing:
        """The files to take, sorted by key, and the skipped ones with their reasons.

        An object whose name does not fit the pattern is not ours and not mentioned, unless it cannot be read at all.

        Args:
            loaded: identities of the contents that were loaded last under each name.

        Raises:
            SourceError: the folder is missing or cannot be listed.
        """
        store = self.place.store
        candidates: list[ObjectInfo] = []
        skipped: list[SkippedFile] = []
        self._check_that_it_is_a_folder()
        for info in store.list(self.place.prefix):
            path = info.key.removeprefix(self.place.prefix).removeprefix("/") if self.place.prefix else info.key
            if info.refused is None and not self.place.pattern.fits(path):
                continue
            reason = self._reason(info, path)
            if reason is None:
                candidates.append(info)
            else:
                skipped.append(SkippedFile(info.key, reason, unreadable=reason in (info.refused, NOT_READ)))
        chosen, others = self._chosen(sorted(candidates, key=lambda info: info.key))
        files, left = self._taken(chosen, LoadedFiles.of(loaded))
        self._require_each(files, left, others, loaded)
        skipped += [*left, *(SkippedFile(info.key, NOT_CHOSEN) for info in others)]
        return Listing(files, tuple(sorted(skipped, key=lambda one: one.key)))

    def _taken(
        self, infos: Sequence[ObjectInfo], held: LoadedFiles
    ) -> tuple[tuple[FileRef, ...], tuple[SkippedFile, ...]]:
        """The files to take, and those of which the tables hold the content, or that cannot be read."""
        files, left = [], []
        for info in self.place.store.fingerprint(infos):
            ref = replace(self.place.store.ref(info), folder=self.place.dated)
            if info.refused is not None:
                left.append(SkippedFile(info.key, info.refused, unreadable=True))
            elif held.holds(ref) and not self.choice.reload:
                left.append(SkippedFile(info.key, ALREADY_LOADED))
            else:
                files.append(held.next(ref))
        return tuple(files), tuple(left)

    def _chosen(self, infos: Sequence[ObjectInfo]) -> tuple[list[ObjectInfo], list[ObjectInfo]]:
        """Those that a person has chosen, all of them where nobody did, and the others."""
        if not self.choice.words:
            return list(infos), []
        chosen = [info for info in infos if any(self._means(word, info.key) for word in self.choice.words)]
        return chosen, [info for info in infos if info not in chosen]

    def _means(self, word: str, key: str) -> bool:
        path = key.removeprefix(self.place.prefix).removeprefix("/")
        return word in (key, path) or any(_glob(word).fits(one) for one in (key, path))

    def _require_each(
        self,
        files: Sequence[FileRef],
        left: Sequence[SkippedFile],
        others: Sequence[ObjectInfo],
        loaded: frozenset[str],
    ) -> None:
        """Stop where a word takes no file: a person who names one wants it, and not the others alone."""
        for word in self.choice.words:
            if any(self._means(word, file.key) for file in files):
                continue
            reasons = [f"{one.key} is left aside ({one.reason})" for one in left if self._means(word, one.key)]
            waiting = [
                *(file.key for file in files),
                *(file.key for file in self._taken(others, LoadedFiles.of(loaded))[0]),
            ]
            raise UsageError(
                f"--files {word!r} names no file that waits below {self.place.store.uri(self.place.prefix)}"
                f"{': ' + _some(reasons) if reasons else ''}. "
                f"{'Waiting: ' + _some(sorted(waiting)) if waiting else 'No file waits'}. Nothing was read."
            )

    def _reason(self, info: ObjectInfo, path: str) -> str | None:
        parts = path.split("/")
        rules = (
            (info.refused is not None, info.refused),
            (path.endswith("$folder$"), FOLDER_MARKER),
            (parts[-1] == "_SUCCESS", SUCCESS_MARKER),
            ("_temporary" in parts, UNFINISHED),
            (not self.source.include_hidden and any(part[:1] in (".", "_") for part in parts), HIDDEN),
            (info.size_bytes == 0, ZERO_BYTES),
            (self.source.compression == "auto" and self._is_archive(parts[-1]), NOT_READ),
        )
        return next((reason for holds, reason in rules if holds), None)

    def _is_archive(self, name: str) -> bool:
        return any(_ARCHIVES.fullmatch(name, start) for start in range(len(name)) if name[start] == ".")

    def _check_that_it_is_a_folder(self) -> None:
        """An empty folder is fine. In S3 there are no empty folders, and an empty prefix is as good as one."""
        store, expected = self.place.store, self.place.expected
        path = store.local_folder(expected)
        if path is None or path.is_dir():
            return
        uri = store.uri(expected) if expected else store.url
        if path.exists():
            raise SourceError(f"{uri} is a file. Put its folder into source.path and its name into source.pattern.")
        parent, _, name = expected.rpartition("/")
        hint = did_you_mean(name, store.folders(parent)) if expected else ""
        raise SourceError(f"{uri} does not exist{hint}. Nothing was read. Correct source.path, or create the folder.")


def _some(words: Sequence[str]) -> str:
    more = f" and {len(words) - _NAMED} more" if len(words) > _NAMED else ""
    return f"{', '.join(words[:_NAMED])}{more}"


@lru_cache(maxsize=32)
def _glob(word: str) -> Glob:
    try:
        return Glob(word)
    except ValueError as exc:
        raise UsageError(f"--files: {exc}") from None
