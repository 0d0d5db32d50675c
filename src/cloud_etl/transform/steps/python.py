"""A function of the project over the rows: python."""

from __future__ import annotations

import importlib
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from cloud_etl.domain.hints import did_you_mean
from cloud_etl.engines.failures import analysis_errors
from cloud_etl.engines.marked_frame import FATE
from cloud_etl.errors import StepFailedError
from cloud_etl.transform.columns import Columns, config_error
from cloud_etl.transform.function_source import function_problem
from cloud_etl.transform.port import Step
from cloud_etl.transform.rebuilt import rebuilt

if TYPE_CHECKING:
    from types import ModuleType

    from pyspark.sql import DataFrame

    from cloud_etl.engines.marked_frame import MarkedFrame
    from cloud_etl.transform.port import StepContext


_calling = threading.Lock()


class Python(Step):
    """Go on with what a function makes of the rows: it takes a PySpark DataFrame and gives one.

    The module is imported anew for each run, with the project's folder first on the path. Rows before and after stand
    in the ledger. The frame also has `_row_id`, the row's place in its source file: keep it to keep the way back to the
    raw line.
    """

    kind: ClassVar[str] = "python"
    wrap: ClassVar[str] = "function"
    function: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$",
        examples=["cleaning:tidy"],
        description="module:function of the project.",
    )

    @property
    def barrier(self) -> bool:
        """Always."""
        return True

    @property
    def runs_code(self) -> bool:
        """Always."""
        return True

    def code_problems(self, project: Path) -> tuple[str, ...]:
        """Whether the module, the function and its parameters are there."""
        problem = function_problem(self.function, project.resolve())
        return (f"{self.label}: {problem}",) if problem else ()

    def apply(self, frame: MarkedFrame, context: StepContext) -> MarkedFrame:
        """Call the function; what it builds is lazy unless the function itself runs it."""
        # One at a time: modules and their path are one for the process, and functions do not expect one another.
        with _calling, _importable(context.project):
            function = self._load(context.project)
            _travel_by_value(context.project)
            result = self._call(function, frame.frame.drop(FATE), context.project)
        # What the function built is analysed only here.
        with analysis_errors(f"{self.label} {self.function}", frame.columns):
            return rebuilt(result, self.label)

    def columns_after(self, columns: Columns) -> Columns | None:
        """Known to the function alone."""
        return None

    def _load(self, project: Path) -> Callable[[DataFrame], object]:
        module_name, name = self.function.split(":")
        try:
            module = _import(module_name, project)
        except Exception as exc:  # noqa: BLE001 - importing runs the user's code, which may raise anything
            raise config_error(f"{self.label}: {module_name} cannot be imported: {_place(exc, project)}") from None
        function = getattr(module, name, None)
        if not callable(function):
            names = [word for word, value in vars(module).items() if callable(value)]
            raise config_error(f"{self.label}: {module_name} has no function {name!r}{did_you_mean(name, names)}")
        called: Callable[[DataFrame], object] = function
        return called

    def _call(self, function: Callable[[DataFrame], object], frame: DataFrame, project: Path) -> DataFrame:
        from pyspark.errors import AnalysisException
        from pyspark.sql import DataFrame

        try:
            result = function(frame)
        except AnalysisException:
            # Spark analyses at once what Sail analyses when the frame is looked at.
            with analysis_errors(f"{self.label} {self.function}", frame.columns):
                raise
        except Exception as exc:  # noqa: BLE001 - the user's code may raise anything
            # Its text may quote rows, and so may that of its causes: type and place are enough to find it.
            raise StepFailedError(
                f"{self.label} {self.function} raised {_place(exc, project)}. Nothing was published."
            ) from None
        if not isinstance(result, DataFrame):
            raise config_error(f"{self.label}: {self.function} gave {type(result).__name__}, not a DataFrame")
        return result


@contextmanager
def _importable(project: Path) -> Iterator[None]:
    path = str(project.resolve())
    sys.path.insert(0, path)
    try:
        yield
    finally:
        sys.path.remove(path)


def _import(name: str, project: Path) -> ModuleType:
    """The module as its file is now: a notebook or a scheduler runs a project again after it was edited."""
    package = name.partition(".")[0]
    own = PathFinder.find_spec(package, [str(project.resolve())]) is not None
    # Two projects in one process may each have a module of that name; what is installed is left as it is.
    if own or PathFinder.find_spec(package) is None:
        for known in [one for one in sys.modules if one == package or one.startswith(f"{package}.")]:
            del sys.modules[known]
    importlib.invalidate_caches()
    return importlib.import_module(name)


def _travel_by_value(project: Path) -> None:
    """Send the project's functions whole to the processes that run them, which do not have its folder on their path."""
    from pyspark import cloudpickle

    for module in list(sys.modules.values()):
        place = getattr(module, "__file__", None)
        if place is not None and _is_code_of(project, Path(place)):
            cloudpickle.register_pickle_by_value(module)  # type: ignore[no-untyped-call]  # it has no types


def _is_code_of(project: Path, path: Path) -> bool:
    root = project.resolve()
    return path.resolve().is_relative_to(root) and "site-packages" not in path.relative_to(path.anchor).parts


def _place(exc: Exception, project: Path) -> str:
    """Type of an exception and the last line of the project it came through."""
    stack = traceback.extract_tb(exc.__traceback__)
    own = [entry for entry in stack if Path(entry.filename).resolve().is_relative_to(project.resolve())]
    if not own:
        return f"{type(exc).__name__}: {exc}" if isinstance(exc, ImportError) else type(exc).__name__
    last = own[-1]
    path = Path(last.filename).resolve().relative_to(project.resolve())
    return f"{type(exc).__name__} at {path}:{last.lineno} in {last.name}: {last.line}"
