"""Tables of exports as Parquet files, with typed columns, a row group for each part."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import IO, Any

from headway.learning.archive_files import load_pyarrow
from headway.reports.export_model import ExportedLearner, Kind, Table

_ROWS_AT_ONCE = 10_000


class ParquetTable:
    """Writes a table to an open file: percents as decimals, instants with their time zone. Raises MissingExtraError."""

    def __init__(self, table: Table, file: IO[bytes]) -> None:
        self._arrow, parquet = load_pyarrow()
        self._table = table
        self._schema = self._arrow.schema([(column.name, self._type(column.kind)) for column in table.columns])
        self._writer = parquet.ParquetWriter(file, self._schema, compression="zstd")
        self._rows: list[tuple[Any, ...]] = []

    def __enter__(self) -> "ParquetTable":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self._rows:
            self._flush()
        self._writer.close()

    def write(self, learners: Sequence[ExportedLearner]) -> None:
        """Add the rows of learners."""
        self._rows += [row for learner in learners for row in self._table.rows(learner)]
        if len(self._rows) >= _ROWS_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        columns = zip(*self._rows, strict=True)
        arrays = [
            self._array([_plain(value, column.kind) for value in values], field.type)
            for values, column, field in zip(columns, self._table.columns, self._schema, strict=True)
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._rows = []

    def _array(self, values: list[Any], kind: Any) -> Any:
        if self._arrow.types.is_timestamp(kind):
            return self._arrow.array(values, self._arrow.int64()).cast(kind)
        return self._arrow.array(values, kind)

    def _type(self, kind: Kind) -> Any:
        arrow = self._arrow
        types: dict[Kind, Callable[[], Any]] = {
            Kind.TEXT: arrow.string,
            Kind.WHOLE: arrow.int64,
            Kind.NUMBER: arrow.float64,
            Kind.PERCENT: arrow.float64,
            Kind.INSTANT: lambda: arrow.timestamp("ms", tz="UTC"),
            Kind.DAY: arrow.date32,
            Kind.TRUTH: arrow.bool_,
        }
        return types[kind]()


def _plain(value: Any, kind: Kind) -> Any:
    return value / 100 if kind is Kind.PERCENT and value is not None else value
