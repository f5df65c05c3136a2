"""What diagnostics say in words, the same on every page they are shown on."""

from __future__ import annotations

from math import exp, log

from recsys_cl.evaluation.diagnostic_facts import (
    AlignmentFacts,
    DiagnosticFacts,
    InformationFacts,
    ListFacts,
    NormalityFacts,
    SideFacts,
)

_CLOSE, _FAR = 0.03, 0.08  # largest difference of distribution functions that is hardly seen, and one that is plain


def what_is_seen(diagnostics: DiagnosticFacts) -> list[str]:
    """Tell in sentences how the space looks."""
    told = [_dimensions(diagnostics), _apart(diagnostics.alignment)]
    told += [] if diagnostics.lists is None else [_evenness(diagnostics.lists)]
    told += [_information(diagnostics.information), _popularity(diagnostics), _shape(diagnostics.items)]
    told.append(_categories(diagnostics))
    return [sentence for sentence in told if sentence]


def drawn_from(diagnostics: DiagnosticFacts) -> str:
    """Tell how many users and items were looked at."""
    users, items = diagnostics.users, diagnostics.items
    return (
        f"Looked at {users.drawn:,} of {users.there_are:,} users and {items.drawn:,} of {items.there_are:,} items, "
        f"drawn with seed {diagnostics.seed}."
    )


def best_bound(information: InformationFacts) -> tuple[float, float]:
    """Return the highest bound of the mutual information, in nats, and the highest without vectors; at least nought."""
    with_vectors = max((bound.by_popularity for bound in information.bounds), default=0.0)
    without = max((bound.by_popularity_without_vectors for bound in information.bounds), default=0.0)
    return max(with_vectors, 0.0), max(without, 0.0)


def _dimensions(diagnostics: DiagnosticFacts) -> str:
    users, items, scores = diagnostics.users, diagnostics.items, diagnostics.scores
    if users.effective_rank is None or items.effective_rank is None or items.random_rank is None:
        return "There are too few vectors that are not zero to tell how many dimensions they use."
    told = (
        f"Of {items.dim:,} dimensions users use {users.effective_rank:.1f} and items {items.effective_rank:.1f}, where "
        f"random vectors would use {items.random_rank:.1f} (effective rank)."
    )
    if scores.effective_rank is None:
        return told
    return f"{told} Scores, each user's mean taken away, use {scores.effective_rank:.1f}."


def _apart(alignment: AlignmentFacts) -> str:
    if alignment.taken is None or alignment.random is None:
        return ""
    later = "" if alignment.held_out is None else f", to one they took later {alignment.held_out:.2f}"
    return (
        f"From a user to an item they took it is {alignment.taken:.2f}{later}, to any item {alignment.random:.2f} "
        "(alignment: mean squared distance of directions, from 0 to 4)."
    )


def _evenness(lists: ListFacts) -> str:
    if lists.effective_items is None or lists.one_list_entropy is None or lists.entropy is None:
        return "Nobody was given a list."
    share = "" if lists.share is None else f", {lists.share:.0%} of the logarithm of the catalogue's size"
    return (
        f"Lists of {lists.k} are as varied as if {lists.effective_items:,.0f} of {lists.items:,} items were given "
        f"equally often, one list for all as if {exp(lists.one_list_entropy):,.0f} were (entropy {lists.entropy:.2f} "
        f"nats or {_bits(lists.entropy):.2f} bits{share})."
    )


def _information(information: InformationFacts | None) -> str:
    if information is None:
        return "Nothing was held out that could tell what vectors know of what users take later."
    found, without = best_bound(information)
    return (
        f"Of an item that a user took later the model knows at least {found:.2f} nats ({_bits(found):.2f} bits); "
        f"popularity and what was seen before tell {without:.2f} without any vectors (InfoNCE on {information.pairs:,} "
        "held-out pairs)."
    )


def _popularity(diagnostics: DiagnosticFacts) -> str:
    length, rises = diagnostics.items.length, diagnostics.items.length_correlation
    told = []
    if length is not None and length.constant:
        told.append("All vectors of items have the same length.")
    elif rises is not None:
        kind = "longer" if rises > 0 else "shorter"
        told.append(f"Popular items have {kind} vectors (rank correlation {_signed(rises)}).")
    if (added := diagnostics.popularity.offset_correlation) is not None:
        told.append(f"What is added to their scores goes with popularity (rank correlation {_signed(added)}).")
    return " ".join(told)


def _shape(items: SideFacts) -> str:
    vectors, directions = items.normality, items.direction_normality
    if vectors is None:
        return ""
    told = f"Random projections of items are {_nearness(vectors)}"
    return f"{told}." if directions is None else f"{told}; of items brought to length one, {_nearness(directions)}."


def _nearness(found: NormalityFacts) -> str:
    words = (
        "near normal" if found.distance < _CLOSE else "far from normal" if found.distance > _FAR else "nearly normal"
    )
    kurtosis = _signed(found.kurtosis, 1)
    return f"{words} (a test rejects {found.rejected:.0%}, excess kurtosis {kurtosis})"


def _categories(diagnostics: DiagnosticFacts) -> str:
    found = diagnostics.categories
    if found is None:
        return "The log names no categories of items, so there is no map of them."
    if found.kindred is None or found.chance is None:
        return "Too few items have a category for a map."
    return (
        f"Of an item's {found.neighbours} nearest {found.kindred:.0%} share a category with it, of any items "
        f"{found.chance:.0%}."
    )


def _bits(nats: float) -> float:
    return nats / log(2)


def _signed(value: float, digits: int = 2) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "\N{MINUS SIGN}")
