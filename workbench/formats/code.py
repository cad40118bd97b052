"""code.json, version 1: a designed code with the profile and the questions it answers."""

from os import PathLike
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode, Structure
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.errors import InputError
from workbench.core.types import VarianceConstant
from workbench.formats.document import NonNegativeInt64, PositiveInt, read_document
from workbench.formats.profile import ProfileJson, profile_from_struct, profile_to_struct, schema_of
from workbench.moments.design_comparison import DesignComparison
from workbench.quantizers.stochastic_levels import MAX_BITS, MIN_BITS, StochasticLevels
from workbench.stragglers.profile import StragglerProfile

VERSION = 1


class SpecJson(Struct, forbid_unknown_fields=True):
    """What the design was asked for."""

    n_parts: Annotated[PositiveInt, Meta(description="P, number of parts of the data.")]
    dim: Annotated[PositiveInt, Meta(description="d, number of coordinates of a gradient.")]
    bit_budget: Annotated[PositiveInt, Meta(description="B, bits a coordinate, summed over the workers.")]
    replication: Annotated[
        PositiveInt,
        Meta(description="Mean number of workers that hold a part, for the baselines that are free to choose it."),
    ]
    variance_constant: Annotated[
        VarianceConstant, Meta(description="Which bound on the quantizer's variance the design trusts.")
    ]
    allow_idle: Annotated[bool, Meta(description="Whether a worker may get 0 bits, and then no part.")]
    structure: Annotated[
        Structure, Meta(description="Which of the optimal codes, all of one worst-case error, was built.")
    ] = "sparse"


class MatrixJson(Struct, forbid_unknown_fields=True):
    """A sparse (workers, parts) matrix by rows: row i has columns part[row_start[i]:row_start[i + 1]]."""

    row_start: Annotated[
        list[NonNegativeInt64],
        Meta(description="Where each worker's row starts in part and weight; one number more than workers."),
    ]
    part: Annotated[
        list[NonNegativeInt64],
        Meta(description="Part of each nonzero, from 0, ascending within a row; one number for each nonzero."),
    ]
    weight: Annotated[list[float], Meta(description="The nonzeros, without unit; one number for each, none of them 0.")]


class CertificateJson(Struct, forbid_unknown_fields=True):
    """How good the code is, and how much better any could be."""

    utility: Annotated[
        float,
        Meta(
            description="U = Σ_i (1 - p_i)/(p_i + ω_i) of the code's bits, without unit; p_i is the straggle "
            "probability, ω_i the relative variance of the quantizer."
        ),
    ]
    utility_upper_bound: Annotated[
        float, Meta(description="No allocation of the bit budget has a larger utility; without unit.")
    ]
    residual_bound: Annotated[
        float,
        Meta(
            description="P²/U, in squared units of the largest norm of a part's gradient: the least worst-case mean "
            "squared error among unbiased codes with fixed decoding weights."
        ),
    ]
    groups: Annotated[
        PositiveInt | None,
        Meta(
            description="r, number of groups of workers that share no part, where these were sought: the code has as "
            "many nonzeros as busy workers and parts, less r."
        ),
    ] = None
    groups_upper_bound: Annotated[
        PositiveInt | None,
        Meta(description="No optimal code has more groups; if it equals groups, none has fewer nonzeros."),
    ] = None


class CodeJson(Struct, forbid_unknown_fields=True):
    """Worker i sends Σ_j encode_ij g_j at bits_i bits a coordinate; the master weighs it by decode_i."""

    version: Annotated[Literal[1], Meta(description="Version of this format.")]
    family: Annotated[
        str,
        Meta(
            pattern="^[A-Za-z0-9_][A-Za-z0-9_ .+-]*$",
            max_length=80,
            description="Name of the code's family, as reports print it.",
        ),
    ]
    encode: Annotated[MatrixJson, Meta(description="Encoding weights, without unit; one row for each worker.")]
    decode: Annotated[
        list[float],
        Meta(description="The master's weight of each worker's message, without unit; one number for each worker."),
    ]
    bits: Annotated[
        list[Annotated[int, Meta(ge=0, le=MAX_BITS)]],
        Meta(
            description=f"Bits a coordinate of each worker's message: {MIN_BITS} to {MAX_BITS}, or 0 for a worker that "
            "holds no part; one number for each worker."
        ),
    ]
    spec: Annotated[SpecJson, Meta(description="What the design was asked for.")]
    seed: Annotated[
        NonNegativeInt64, Meta(description="Seed of the baselines' random placements and of sampled moments.")
    ]
    certificate: Annotated[
        CertificateJson, Meta(description="How good the code is; for the reader's eyes, not read back.")
    ]
    profile: Annotated[ProfileJson, Meta(description="The straggler profile that the code is designed for.")]


class DesignedCode(Struct):
    """A code read back, with all that is needed to design its baselines again."""

    code: GradientCode
    profile: StragglerProfile
    spec: DesignSpec
    seed: int


def code_to_json(comparison: DesignComparison) -> bytes:
    """Return the optimal code of a comparison as JSON that `read_code` turns back into the same code."""
    code = comparison.optimal.code
    decoder = code.decoder
    if not isinstance(decoder, FixedDecoder):
        raise TypeError(f"code.json holds fixed decoding weights, not {type(decoder).__name__}")
    return msgspec.json.encode(
        CodeJson(
            version=1,
            family=code.family,
            encode=MatrixJson(code.encode.indptr.tolist(), code.encode.indices.tolist(), code.encode.data.tolist()),
            decode=decoder.decode.tolist(),
            bits=code.bits.tolist(),
            spec=SpecJson(**vars(comparison.spec)),
            seed=comparison.seed,
            certificate=_certificate(comparison),
            profile=profile_to_struct(comparison.profile),
        )
    )


def _certificate(comparison: DesignComparison) -> CertificateJson:
    allocation, found = comparison.allocation, comparison.decomposition
    groups = (found.n_groups, found.upper_bound) if found else (None, None)
    return CertificateJson(allocation.utility, allocation.upper_bound, comparison.residual_bound, *groups)


def read_code(path: str | PathLike[str]) -> DesignedCode:
    """Read code.json.

    Raises
    ------
    InputError : the file, the place inside the JSON, what is wrong there
    """
    return read_document(path, "code", VERSION, CodeJson, _designed)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of code.json."""
    return schema_of(CodeJson)


def _designed(file: CodeJson) -> DesignedCode:
    profile = profile_from_struct(file.profile)
    spec = DesignSpec(**msgspec.structs.asdict(file.spec))
    spec.check_size(profile.n_workers)
    if spec.bit_budget < MIN_BITS:
        raise InputError(f"spec.bit_budget is {spec.bit_budget}: one worker needs {MIN_BITS}, raise it")
    decode, bits = np.array(file.decode, float), np.array(file.bits, np.int64)  # (W,) each
    for name, values in (("decode", decode), ("bits", bits)):
        if values.size != profile.n_workers:
            raise InputError(f"{name} has {values.size} numbers for {profile.n_workers} workers: correct one of them")
    if bits.sum() > spec.bit_budget:
        raise InputError(f"bits add up to {bits.sum()}, more than the bit_budget {spec.bit_budget}")
    encode = _matrix(file.encode, profile.n_workers, spec.n_parts)
    idle = np.flatnonzero((bits == 0) & (np.diff(encode.indptr) > 0))
    if idle.size:
        raise InputError(f"worker {idle[0]} has 0 bits but holds parts: give it bits or take its parts away")
    quantizer = StochasticLevels(bits, spec.variance_constant)
    return DesignedCode(GradientCode(file.family, encode, FixedDecoder(decode), quantizer), profile, spec, file.seed)


def _matrix(file: MatrixJson, n_workers: int, n_parts: int) -> sparse.csr_array:
    """Build the matrix (W, P), or say what does not fit."""
    start, part, weight = np.array(file.row_start, np.int64), np.array(file.part, np.int64), np.array(file.weight)
    if start.size != n_workers + 1 or start[0] != 0 or np.any(np.diff(start) < 0) or start[-1] != part.size:
        raise InputError(
            f"encode.row_start must have {n_workers + 1} ascending numbers from 0 to {part.size}, the length of part"
        )
    if weight.size != part.size:
        raise InputError(f"encode has {part.size} parts and {weight.size} weights: give one weight for each")
    if part.size and part.max() >= n_parts:
        raise InputError(f"encode.part names part {part.max()}, but there are {n_parts}, counted from 0")
    if not part.size:
        raise InputError("encode is empty: some worker must hold a part")
    if not np.all(weight):
        raise InputError(f"encode.weight[{int(np.argmin(weight != 0))}] is 0: leave out what a worker does not hold")
    matrix = sparse.csr_array((weight, part, start), shape=(n_workers, n_parts))
    if not matrix.has_canonical_format:
        raise InputError("encode.part must ascend within each row: sort it, and name no part twice")
    return matrix
