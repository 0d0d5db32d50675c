"""A project opened in one environment: what the command line does, for notebooks and schedulers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cloud_etl import backends
from cloud_etl.config.config import LoadedProject, Survey, find_project, load_project, survey_project
from cloud_etl.domain.progress import NoProgress, Progress
from cloud_etl.domain.run import Choice
from cloud_etl.errors import UsageError
from cloud_etl.pipeline.check import check_project, survey, unrehearsed
from cloud_etl.pipeline.order import in_order
from cloud_etl.pipeline.selection import select
from cloud_etl.storage.private_files import private_files

if TYPE_CHECKING:
    from cloud_etl.domain.run import RunReport
    from cloud_etl.domain.spec_model import SpecModel
    from cloud_etl.monitoring.logger import LogTargets
    from cloud_etl.pipeline.plan import Plan
    from cloud_etl.pipeline.records import Records


class Project:
    """A project in one of its environments. Nothing is printed and nothing is opened before it is needed.

    Example:
        >>> project = Project.open("examples/retail")
        >>> report = project.run(["sales_data"])
        >>> report.exit_code
        0
    """

    def __init__(self, loaded: LoadedProject, choice: Choice | None = None) -> None:
        """Store the configuration; `open` reads it from files."""
        self.loaded = loaded
        self._choice = choice or Choice()

    @classmethod
    def open(
        cls,
        path: str | Path = ".",
        env: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
    ) -> Self:
        """Read `cloud-etl.yaml` and `pipelines/*.yaml` in a folder or above it.

        Args:
            path: a folder inside the project.
            env: environment; CLOUD_ETL_ENV, else the project's default without.
            environ: environment variables; those of the process without.

        Raises:
            ConfigError: every finding with file and line.
        """
        return cls(load_project(find_project(Path(path)), env, os.environ if environ is None else environ))

    @classmethod
    def examine(
        cls,
        path: str | Path = ".",
        env: str | None = None,
        *,
        environ: Mapping[str, str] | None = None,
        imports: bool = False,
    ) -> Self:
        """Open a project and check everything as `validate` does, what `open` refuses included, in one round.

        Args:
            path: a folder inside the project.
            env: as in `open`.
            environ: as in `open`.
            imports: as in `validate`.

        Raises:
            ConfigError: every finding with file and line.
        """
        found = survey_project(find_project(Path(path)), env, os.environ if environ is None else environ)
        survey(found, imports=imports)
        return cls(found.loaded)

    def with_engine(self, name: str) -> Project:
        """The same project on another engine.

        Raises:
            UsageError: no engine has that name.
        """
        backends.backend(backends.ENGINES, name, "Engine")
        engine = self.loaded.environment.engine
        # An environment in which it verifies the other is turned round.
        verify = engine.name if name == engine.verify else engine.verify
        return self._with(engine=engine.model_copy(update={"name": name, "verify": verify}))

    def verified_with(self, name: str) -> Project:
        """The same project, where a second engine must make the same tables before anything is published.

        Raises:
            UsageError: no engine has that name, or it is the first one.
        """
        engine = self.loaded.environment.engine
        backends.backend(backends.ENGINES, name, "Engine")
        if name == engine.name:
            raise UsageError(f"the run is on {name} already; verify it with another engine, or choose one by --engine")
        return self._with(engine=engine.model_copy(update={"verify": name}))

    def with_log(self, **settings: str) -> Project:
        """The same project with other log settings: level, format, folder."""
        return self._with(log=self.loaded.environment.log.model_copy(update=settings))

    def with_files(self, *words: str, reload: bool = False) -> Project:
        """The same project, where the run of a pipeline takes some of the files that wait; the others go on waiting.

        Args:
            words: keys, or globs on keys or on paths below the source's folder; each must mean a file that is taken.
            reload: take also what is loaded already; its rows take the place of all that is in the tables.
        """
        return type(self)(self.loaded, Choice(words, reload))

    def _with(self, **sections: SpecModel) -> Project:
        environment = self.loaded.environment.model_copy(update=sections)
        return type(self)(replace(self.loaded, environment=environment), self._choice)

    @property
    def unrehearsed(self) -> tuple[str, ...]:
        """Pipelines that `validate` analyses to their end only with `imports`."""
        return unrehearsed(self.loaded.pipelines)

    @property
    def pipelines(self) -> tuple[str, ...]:
        """Names of the pipelines, each after those it reads."""
        return in_order(self.loaded.pipelines, self.loaded.pipelines)

    def select(self, words: Iterable[str], exclude: Iterable[str] = ()) -> tuple[str, ...]:
        """Names of the pipelines that are meant, each after those it reads.

        Args:
            words: names, or `tag:` and a tag; `+` before a word adds all that these read, `+` behind it all that read
                them.
            exclude: the same, of what is left out.

        Raises:
            UsageError: a word means nothing, or nothing is left.
        """
        return select(words, exclude, self.loaded.pipelines)

    def validate(self, *, imports: bool = False) -> None:
        """Check everything that can be checked without touching data: files, names, types, then SQL and user code.

        The engine analyses each pipeline that is sound so far on frames without rows.

        Args:
            imports: import the modules of `python` steps and call their functions with such a frame. Without, nothing
                of the project is run: the functions are looked for in the text of the modules, and a pipeline is
                analysed up to its first `python` step.

        Raises:
            ConfigError: every finding with file and line.
        """
        survey(Survey(self.loaded), imports=imports)

    def plan(self, pipelines: Sequence[str] | None = None, *, run_date: date | None = None) -> Plan:
        """Tell what a run would do: files, rows, steps, tables, statements. Changes nothing.

        Args:
            pipelines: names; all without.
            run_date: date in the names of the published folders; today in UTC without.
        """
        from cloud_etl.pipeline.plan import make_plan
        from cloud_etl.pipeline.wiring import Wiring

        names = self._names(pipelines)
        with private_files(), Wiring(self.loaded.resolved(), NoProgress()) as wiring:
            return make_plan(wiring.components(read_only=True), names, run_date or _today())

    def run(
        self,
        pipelines: Sequence[str] | None = None,
        *,
        run_date: date | None = None,
        progress: Progress | None = None,
        log: LogTargets | None = None,
        run_id: str | None = None,
        jobs: int | None = None,
    ) -> RunReport:
        """Run pipelines, each after those it reads, and write the run report.

        A pipeline that fails stops those that read it; the others go on. Errors of a pipeline are in its report.

        Args:
            pipelines: names; all without.
            run_date: date in the names of the published folders; today in UTC without.
            progress: listener that is told of phases and files.
            log: where the log goes; a file below the environment's log folder without.
            run_id: id of the run where somebody else has chosen it; a new one without.
            jobs: how many that do not depend on one another are under way at the same time; the environment's without.

        Raises:
            UsageError: files are chosen and it is not one pipeline that is run.
            ConfigError: the configuration is off; nothing was run.
            SecretError: a ${env:} or ${secret:} of the environment cannot be resolved; nothing was run.
            CloudEtlError: store, warehouse or engine cannot be opened; nothing was run.
            RunInterruptedError: Ctrl-C or SIGTERM; the report of what was done is written.
        """
        from cloud_etl.config.secrets import known_secrets
        from cloud_etl.monitoring.logger import start_logging
        from cloud_etl.pipeline.run import Runner

        check_project(self.loaded)
        names = self._names(pipelines)
        if self._choice != Choice() and len(names) != 1:
            raise UsageError(f"--files and --reload are for one pipeline, and {len(names)} are selected: name one")
        loaded = self.loaded.resolved()
        runner = Runner(loaded, progress or NoProgress(), run_id, self._choice)
        with (
            private_files(),
            start_logging(loaded.environment.log, loaded.root, runner.run_id, log, known_secrets) as opened,
        ):
            return runner.run(names, run_date or _today(), str(opened.path) if opened.path else None, jobs)

    def records(self) -> Records:
        """What earlier runs left: reports, ledgers, rejects."""
        from cloud_etl.pipeline.records import Records
        from cloud_etl.pipeline.wiring import open_store

        return Records(open_store(self.loaded.resolved()))

    def _names(self, pipelines: Iterable[str] | None) -> tuple[str, ...]:
        known = self.loaded.pipelines
        return in_order(known if pipelines is None else pipelines, known)


def _today() -> date:
    return datetime.now(UTC).date()
