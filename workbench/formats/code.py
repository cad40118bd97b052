"""code.json, version 1: a designed code with the profile and the questions it answers."""

from os import PathLike
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from scipy import sparse

from workbench.codes.code import DesignSpec, GradientCode
from workbench.codes.decoders.fixed import FixedDecoder
from workbench.core.errors import InputError
from workbench.core.types import VarianceConstant
from workbench.formats.document import read_document
from workbench.formats.profile import ProfileJson, profile_from_struct, profile_to_struct
from workbench.moments.design_comparison import DesignComparison
from workbench.quantizers.stochastic_levels import MAX_BITS, MIN_BITS, StochasticLevels
from workbench.stragglers.profile import StragglerProfile

VERSION = 1

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Meta(ge=1)]


class SpecJson(Struct, forbid_unknown_fields=True):
    """What the design was asked for; `bit_budget` is in bits a coordinate summed over the workers."""

    n_parts: Positive
    dim: Positive
    bit_budget: Positive
    replication: Positive
    variance_constant: VarianceConstant
    allow_idle: bool


class MatrixJson(Struct, forbid_unknown_fields=True):
    """A sparse (workers, parts) matrix by rows: row i has columns part[row_start[i]:row_start[i + 1]]."""

    row_start: list[Count]
    part: list[Count]
    weight: list[float]


class CertificateJson(Struct, forbid_unknown_fields=True):
    """How good the code is: its utility U, an upper bound on it over all bit allocations, and P²/U.

    P²/U is the least worst-case error bound among unbiased codes with fixed decoding weights.
    """

    utility: float
    utility_upper_bound: float
    residual_bound: float


class CodeJson(Struct, forbid_unknown_fields=True):
    """Worker i sends Σ_j encode_ij g_j at bits_i bits a coordinate; the master weighs it by decode_i."""

    version: Literal[1]
    family: Annotated[str, Meta(pattern="^[A-Za-z0-9_][A-Za-z0-9_ .+-]*$", max_length=80)]
    encode: MatrixJson
    decode: list[float]
    bits: list[Annotated[int, Meta(ge=0, le=MAX_BITS)]]
    spec: SpecJson
    seed: Count
    certificate: CertificateJson
    profile: ProfileJson


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
            certificate=CertificateJson(
                comparison.allocation.utility, comparison.allocation.upper_bound, comparison.residual_bound
            ),
            profile=profile_to_struct(comparison.profile),
        )
    )


def read_code(path: str | PathLike[str]) -> DesignedCode:
    """Read code.json.

    Raises
    ------
    InputError : the file, the place inside the JSON, what is wrong there
    """
    return read_document(path, "code", VERSION, CodeJson, _designed)


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of code.json."""
    return msgspec.json.schema(CodeJson)


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
