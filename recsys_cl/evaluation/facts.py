"""What a report holds: plain facts, JSON in and out, every section that a run may lack being optional.

The JSON is an interface: keys are added, never renamed, and `EvaluationReport.schema_version` counts what breaks
that. No number in it is NaN or infinite.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, ValidationError

from recsys_cl.errors import IntegrityError
from recsys_cl.evaluation.diagnostic_facts import DiagnosticFacts
from recsys_cl.evaluation.section import Facts

FittedOn = Literal["train", "train_and_validation", "all"]


class RowFacts(Facts):
    """Rows of the log: read = kept + filtered + quarantined; ``reasons`` tells why rows were quarantined."""

    read: int
    kept: int
    filtered: int
    quarantined: int
    reasons: dict[str, int] = Field(default_factory=dict)


class DataFacts(Facts):
    """The log: where from, whether made up, its digest (SHA-256), its size and the instants (UTC) it spans."""

    source: str
    synthetic: bool = False
    digest: str | None = None
    users: int | None = None
    items: int | None = None
    interactions: int | None = None
    since: datetime | None = None
    until: datetime | None = None
    rows: RowFacts | None = None


class SplitFacts(Facts):
    """How train, validation and test were told apart: the kind, the cut-off instants (UTC), the rows of each."""

    kind: str
    cutoffs: tuple[datetime, ...] = ()
    rows: dict[str, int] = Field(default_factory=dict)


class ExaminedFacts(Facts):
    """Who was asked.

    Attributes:
        users: all test users.
        headline: warm users with something relevant; the headline figures are means over them.
        nothing_new: test users whose every test item they had already seen; not marked.
        cold_with_history: users the vocabulary lacks, with a history and something relevant.
        cold_without_history: users the vocabulary lacks, without one.
        relevant: relevant user-item pairs, in the catalogue or not.
        unknown: those of them whose item the catalogue lacks.
        repeats: test interactions left out because the user had the item before.
        catalogue: items that can be recommended.
        recall_ceiling: recall that a perfect ranking would have, at any k.
    """

    users: int
    headline: int
    nothing_new: int
    cold_with_history: int
    cold_without_history: int
    relevant: int
    unknown: int
    repeats: int
    catalogue: int
    recall_ceiling: float


class GroupFacts(Facts):
    """Some users and the means of their metrics."""

    users: int
    metrics: dict[str, float] = Field(default_factory=dict)


class SliceFacts(GroupFacts):
    """One part of the headline users, or of what they should have found; parts come in their natural order."""

    by: Literal["history_length", "item_popularity"]
    label: str


class Marks(Facts):
    """One recommender's marks; the same as in `protocol.Evaluation`, but for the users one by one."""

    name: str
    role: Literal["model", "baseline"]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = Field(default_factory=dict)
    cold: dict[str, GroupFacts] = Field(default_factory=dict)
    slices: tuple[SliceFacts, ...] = ()
    seconds: float = 0.0


class Difference(Facts):
    """The model less a baseline in one metric, over the same users; ``low`` to ``high`` is the paired interval."""

    baseline: str
    metric: str
    difference: float
    low: float
    high: float
    probability: float


class Epoch(Facts):
    """One epoch of training: mean loss in nats, the validation figure, pairs a second."""

    epoch: int
    loss: float
    validation: float | None = None
    pairs_per_second: float | None = None


class PriorFacts(Facts):
    """The popularity prior that validation chose: half-life as a share of the log's period, and strength in logits."""

    half_life: float | None = None
    strength: float = 0.0


class FitFacts(Facts):
    """One of several fits.

    Attributes:
        name: "spectral", "neighbours", a kind of gradient descent ("hybrid", "untaught", "sequential"), or "joined_"
            and what was joined last.
        method: "spectral", "gradient", "hybrid" or "joined".
        dim: length of its vectors.
        positives: what belongs together in a closed form, as in `SpectralConfig.spectral_positives`.
        taught: whether it also learned what the closed form recommends.
        readings: in how many ways it reads a history.
        learned: loss and objectives of gradient descent, where they are not those by default.
        parts: names of the fits it joins.
        validation: its figure on validation; None where nobody could be asked.
    """

    name: str
    method: str
    dim: int
    positives: str = "user_item"
    taught: bool = False
    readings: int = 1
    learned: str = ""
    parts: tuple[str, ...] = ()
    validation: float | None = None


class TrainingFacts(Facts):
    """How the towers came about.

    Attributes:
        method: of the fit that was kept.
        dim: length of its vectors.
        kept: its name.
        tried: all that was fitted, the best first.
        told: how that was chosen, sentence by sentence.
        curve: of the epochs, if there were any.
        best_epoch: the epoch that was kept, from 1.
        stopped_early: whether validation ended training before the last epoch.
        validation_metric: what validation was judged by.
        prior: what popularity counts.
    """

    method: str | None = None
    dim: int | None = None
    kept: str | None = None
    tried: tuple[FitFacts, ...] = ()
    told: tuple[str, ...] = ()
    curve: tuple[Epoch, ...]
    best_epoch: int
    stopped_early: bool = False
    validation_metric: str = ""
    prior: PriorFacts = PriorFacts()


class TrialFacts(Facts):
    """One kind of index with one choice of search parameters, as measured."""

    kind: str
    parameters: dict[str, int] = Field(default_factory=dict)
    recall: float
    ms_per_query: float
    bytes_per_item: float | None = None


class IndexFacts(Facts):
    """The index: its kind, the measured recall against exact search and the target, milliseconds a query, bytes."""

    kind: str
    parameters: dict[str, int] = Field(default_factory=dict)
    recall: float
    target: float | None = None
    k: int | None = None
    queries: int | None = None
    ms_per_query: float
    n_items: int | None = None
    bytes: int
    bytes_per_item: float | None = None
    tried: tuple[TrialFacts, ...] = ()
    note: str = ""


class Check(Facts):
    """One condition of the gate."""

    name: str
    passed: bool
    detail: str = ""


class GateFacts(Facts):
    """Whether the version became champion, and why."""

    promoted: bool
    reason: str
    version: str | None = None
    checks: tuple[Check, ...] = ()


class EvaluationReport(Facts):
    """Everything there is to tell about one evaluation.

    Attributes:
        name: of the log and the model.
        created: the instant of the evaluation (UTC).
        package_version: of this package.
        evaluated_on: which data the model that was marked had been fitted on; None for a bundle from elsewhere.
        registered_on: which data the registered model was fitted on; None where nothing is registered.
        confidence: coverage of all intervals.
        seed: of the bootstrap and of everything else random.
        data: the log.
        split: how it was divided.
        examined: who was asked.
        marks: the model first (where there is one), then the baselines.
        skipped: baselines that do not suit this log, and why.
        differences: the model against each baseline.
        training: how training went.
        diagnostics: how the space of the marked model's vectors looks.
        index: how the index does.
        gate: what became of the version.
        seconds: wall time of each stage.
        schema_version: of this layout.
    """

    name: str
    created: datetime
    package_version: str
    evaluated_on: FittedOn | None
    registered_on: FittedOn | None = None
    confidence: float = 0.95
    seed: int = 0
    data: DataFacts
    split: SplitFacts | None = None
    examined: ExaminedFacts
    marks: tuple[Marks, ...]
    skipped: dict[str, str] = Field(default_factory=dict)
    differences: tuple[Difference, ...] = ()
    training: TrainingFacts | None = None
    diagnostics: DiagnosticFacts | None = None
    index: IndexFacts | None = None
    gate: GateFacts | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    schema_version: Literal[1] = 1

    def to_json(self) -> str:
        """Return the report as indented JSON."""
        return self.model_dump_json(indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` gave.

        Raises:
            IntegrityError: the text is no such report.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(str(part) for part in problem["loc"]) or "the text"
            raise IntegrityError(f"This is no evaluation report: {where}: {problem['msg']}.") from error
