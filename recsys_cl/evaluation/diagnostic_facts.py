"""What diagnostics hold: plain facts about the space of vectors, as a section of a report and by themselves.

Items' vectors are looked at without what is added to the score of an item whoever asks (prior and bias), which only
takes up a coordinate for the sake of search. Entropies and bounds are in nats. What cannot be told is None.
"""

from __future__ import annotations

from pydantic import Field

from recsys_cl.evaluation.section import Facts


class NormalityFacts(Facts):
    """How far from Gaussian; the attributes are those of `contrast.diagnostics.normality.Normality`."""

    vectors: int
    projections: int
    rejected: float
    distance: float
    chance: float
    skewness: float
    kurtosis: float
    quantiles: tuple[tuple[float, float, float, float], ...] = ()


class LengthFacts(Facts):
    """How long vectors are: mean, 5% and 95% quantile; whether they are all of one length, but for rounding."""

    mean: float
    low: float
    high: float
    constant: bool


class SideFacts(Facts):
    """The vectors of one side, users or items.

    Attributes:
        there_are: how many there are.
        drawn: how many were drawn to be looked at.
        zero: share of those drawn whose vector is zero.
        dim: length of a vector.
        not_finite: how many of those looked through have a vector that is not finite; it is left out of all else.
        effective_rank: of the matrix of vectors (Roy and Vetterli 2007).
        random_rank: that of a random matrix of this size.
        spectrum: places, from 1, and singular values as shares of the largest; some of them where there are many.
        random_spectrum: the same of a random matrix.
        uniformity: of directions (Wang and Isola 2020).
        sphere_uniformity: that of the even distribution over the sphere.
        mean_cosine: of two different vectors.
        isotropy: of directions (Mu and Viswanath 2018), between 0.14 and 1.
        length: of the vectors.
        length_correlation: Spearman's, of length and number of interactions; None where all lengths are one.
        normality: of random projections of the vectors.
        direction_normality: the same of the vectors brought to length one; None where they have one length.
    """

    there_are: int
    drawn: int
    zero: float
    dim: int
    not_finite: int = 0
    effective_rank: float | None = None
    random_rank: float | None = None
    spectrum: tuple[tuple[int, float], ...] = ()
    random_spectrum: tuple[tuple[int, float], ...] = ()
    uniformity: float | None = None
    sphere_uniformity: float | None = None
    mean_cosine: float | None = None
    isotropy: float | None = None
    length: LengthFacts | None = None
    length_correlation: float | None = None
    normality: NormalityFacts | None = None
    direction_normality: NormalityFacts | None = None


class ScoreFacts(Facts):
    """The scores of users for items, less each user's mean: their effective rank and singular values."""

    effective_rank: float | None = None
    spectrum: tuple[tuple[int, float], ...] = ()


class AlignmentFacts(Facts):
    """Users and items that belong together.

    Attributes:
        pairs: user-item pairs that were drawn.
        taken: mean squared distance of a user and an item of their history, both of length one.
        held_out: the same of an item they took later, which the model has not seen them take.
        random: the same of any two.
        edges: bounds of the histogram's bins, from -1 to 1.
        taken_share: share of taken pairs whose cosine lies in each bin.
        held_out_share: the same of pairs held out; empty where there are none.
        random_share: the same of any two.
    """

    pairs: int
    taken: float | None = None
    held_out: float | None = None
    random: float | None = None
    edges: tuple[float, ...] = ()
    taken_share: tuple[float, ...] = ()
    held_out_share: tuple[float, ...] = ()
    random_share: tuple[float, ...] = ()


class PopularityFacts(Facts):
    """Some items, in columns: interactions, length, and what is added to the score whoever asks.

    Attributes:
        interactions: of each item drawn.
        lengths: of its vector.
        offsets: what is added to its score; empty where nothing is added to any.
        offset_correlation: Spearman's, of what is added and interactions, over all items.
    """

    interactions: tuple[int, ...] = ()
    lengths: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    offset_correlation: float | None = None


class ListFacts(Facts):
    """How the lists that users are given spread over the catalogue.

    Attributes:
        users: who were asked.
        k: length of a list.
        items: size of the catalogue.
        entropy: of one recommendation.
        share: of the logarithm of the catalogue's size, which is the entropy of an even spread.
        effective_items: exp of the entropy.
        one_list_entropy: the entropy if all these users had one vector, their mean, and saw no item twice.
        most: the highest entropy that so many lists can have.
        spread: how far the entropy is on the way from the former to the latter, 0 to 1; None where they are too near.
        curve: share of the catalogue, the most recommended first, and share of all recommendations that it takes.
        one_list_curve: the same if all users had one vector.
    """

    users: int
    k: int
    items: int
    entropy: float | None = None
    share: float | None = None
    effective_items: float | None = None
    one_list_entropy: float | None = None
    most: float | None = None
    spread: float | None = None
    curve: tuple[tuple[float, float], ...] = ()
    one_list_curve: tuple[tuple[float, float], ...] = ()


class BoundFacts(Facts):
    """Bounds with so many candidates, of which one is right.

    Attributes:
        candidates: N.
        ceiling: log N, above which no such bound can be.
        by_popularity: the others are drawn as held-out items are distributed: of the mutual information.
        by_popularity_error: its standard error.
        by_popularity_without_vectors: of a critic that knows popularity and what was seen alone.
        evenly: the others are drawn evenly: of the mutual information and how far popularity is from even.
        evenly_error: its standard error.
        evenly_without_vectors: of a critic that knows popularity and what was seen alone.
    """

    candidates: int
    ceiling: float
    by_popularity: float
    by_popularity_error: float
    by_popularity_without_vectors: float
    evenly: float
    evenly_error: float
    evenly_without_vectors: float


class InformationFacts(Facts):
    """Lower bounds of what users' vectors tell about items they took later, see `contrast.diagnostics.information`.

    Attributes:
        pairs: held-out pairs the bounds are of.
        fitted_on: other held-out pairs, on which it was fitted how scores are to be read.
        bounds: with more and more candidates.
    """

    pairs: int
    fitted_on: int
    bounds: tuple[BoundFacts, ...] = ()


class CategoryFacts(Facts):
    """Items and their categories.

    Attributes:
        items: items with a category.
        drawn: how many of these were looked at.
        neighbours: nearest items looked at, for each.
        kindred: share of them that have a category in common with the item.
        chance: the same of any two items.
    """

    items: int
    drawn: int
    neighbours: int
    kindred: float | None = None
    chance: float | None = None


class MapFacts(Facts):
    """A map of items that have a category, in columns.

    Attributes:
        x: place, -1 to 1.
        y: place, -1 to 1.
        interactions: of each item.
        kind: number of its category among ``kinds``, -1 for another.
        kinds: the most frequent categories.
        titles: of the few items that are named on the map, by their number in the columns.
    """

    x: tuple[float, ...]
    y: tuple[float, ...]
    interactions: tuple[int, ...]
    kind: tuple[int, ...]
    kinds: tuple[str, ...]
    titles: dict[int, str] = Field(default_factory=dict)


class DiagnosticFacts(Facts):
    """How the space looks.

    Attributes:
        seed: of all that was drawn.
        users: the users' side.
        items: the items' side.
        scores: both together.
        alignment: of pairs.
        popularity: length and popularity, item by item.
        lists: what users are given; None where nobody was asked.
        information: None where nothing was held out.
        categories: None where no item has one.
        map: None where there are no categories, or too few items.
    """

    seed: int
    users: SideFacts
    items: SideFacts
    scores: ScoreFacts
    alignment: AlignmentFacts
    popularity: PopularityFacts
    lists: ListFacts | None = None
    information: InformationFacts | None = None
    categories: CategoryFacts | None = None
    map: MapFacts | None = None
