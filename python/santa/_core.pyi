"""Decode attention that samples: what the package santa is made of."""



def initialize(threads: int = 0) -> None:
    """
    Begins Kokkos with so many threads of OpenMP.

    0: OMP_NUM_THREADS, or all. Without this call the first one that needs it begins Kokkos so. Raises RuntimeError where
    it has begun already, ValueError for a negative number.
    """

def backend() -> str:
    """Where kernels run: "OpenMP", "Serial" or "Cuda"."""

def concurrency() -> int:
    """Threads that kernels run on at once."""

def instruction_set() -> str:
    """
    The instruction set that compiled kernels run by; "compiled" is the module's own.
    """

class Exact:
    """Reads every visible row: exact attention."""

    def __init__(self) -> None: ...

    def __repr__(self) -> str: ...

class RowBudget:
    """
    A number of rows, which any number makes, or a share(part) of the keys.
    """

    def __init__(self, rows: float) -> None: ...

    def __repr__(self) -> str: ...

    @property
    def number(self) -> float: ...

    @property
    def is_share(self) -> bool: ...

def share(part: float) -> RowBudget:
    """
    A row budget of `part` of the visible keys, above 0 and up to 1: share(0.1) reads about a tenth of them.
    """

class MassUnit:
    """
    Rows drawn with probability min(1, weight / delta), in one pass.

    rows          distinct value rows to read per (request, kv head): a number of 1 or more, or share(part) of the visible
                  keys. Where it covers them, the result is Exact's.
    target_error  error of a head's output relative to its norm to aim at in place of rows (docs/accuracy_on_demand.md);
                  it takes a state. 0: none.
    steered       with a state, steps after the first score 256 keys before they draw, and read rows closer to the budget.
    draws         "joint": once for all query heads of a kv head; "joint_l2": the same by the root of squared ratios;
                  "separate": head by head.

    Unbiased for any delta. Raises ValueError for what it does not accept.
    """

    def __init__(self, rows: RowBudget = ..., target_error: float = 0.0, steered: bool = False, draws: str = 'joint') -> None: ...

    def __repr__(self) -> str: ...

    @property
    def rows(self) -> RowBudget: ...

    @property
    def target_error(self) -> float: ...

    @property
    def steered(self) -> bool: ...

    @property
    def draws(self) -> str: ...

class Systematic:
    """
    `samples` (1 to 2^30) equally spaced points in each head's cumulative distribution. Two passes; unbiased.
    """

    def __init__(self, samples: int = 1024) -> None: ...

    def __repr__(self) -> str: ...

    @property
    def samples(self) -> int: ...

class Stratified:
    """
    A random point in each of `samples` (1 to 2^30) equal strata of each head's cumulative distribution. Two passes; unbiased.
    """

    def __init__(self, samples: int = 1024) -> None: ...

    def __repr__(self) -> str: ...

    @property
    def samples(self) -> int: ...

class Multinomial:
    """`samples` (1 to 2^30) independent draws a head. Two passes; unbiased."""

    def __init__(self, samples: int = 1024) -> None: ...

    def __repr__(self) -> str: ...

    @property
    def samples(self) -> int: ...

class FixedTileBudget:
    """
    As many of `samples` draws in each tile of `tile` keys (32, 64 or 256). One pass; unbiased.
    """

    def __init__(self, samples: int = 1024, tile: int = 256) -> None: ...

    def __repr__(self) -> str: ...

    @property
    def samples(self) -> int: ...

    @property
    def tile(self) -> int: ...

class ProportionalTileBudget:
    """
    `samples` draws shared out over tiles of `tile` keys (32, 64 or 256) by mass. Two passes; biased: for comparison with published results.
    """

    def __init__(self, samples: int = 1024, tile: int = 256) -> None: ...

    def __repr__(self) -> str: ...

    @property
    def samples(self) -> int: ...

    @property
    def tile(self) -> int: ...

class Shape:
    """
    Extents of a decode step; of a cache, `heads` is kv_heads and `tokens` 1.
    """

    @property
    def batch(self) -> int: ...

    @property
    def heads(self) -> int: ...

    @property
    def kv_heads(self) -> int: ...

    @property
    def length(self) -> int:
        """Storage for keys of a request."""

    @property
    def dim(self) -> int: ...

    @property
    def tokens(self) -> int: ...

    @property
    def value_dim(self) -> int: ...

    def __repr__(self) -> object: ...

class ContiguousCache:
    """
    Keys and values of a batch of requests in two arrays.

    keys, values  [batch, length, kv_heads, dim] or, with layout="head_major", [batch, kv_heads, length, dim], both of
                  float32, float16 or bfloat16; any strides, but the last extent is contiguous. Values may have another dim
                  than keys. They are not copied, and kept as long as the cache.
    lengths       [batch], int32 or int64: valid keys of each request; None: the whole storage.
    layout        "token_major" or "head_major".
    dtype         "bfloat16" says that arrays of uint16 have the bits of bfloat16, which NumPy has no type for.

    Raises ValueError: name, given, accepted.
    """

    def __init__(self, keys: object, values: object, lengths: object | None = None, *, layout: str = 'token_major', dtype: object | None = None) -> None: ...

    @property
    def shape(self) -> Shape: ...

    @property
    def dtype(self) -> str: ...

    @property
    def keys(self) -> object: ...

    @property
    def values(self) -> object: ...

class DecodeState:
    """
    What MassUnit carries from one decode step to the next, of one layer.

    batch, heads, tokens  those of the steps. Raises ValueError: name, given, accepted.
    """

    def __init__(self, batch: int, heads: int, tokens: int = 1) -> None: ...

    def reset(self, request: int | None = None, *, cuda_stream: object | None = None) -> None:
        """
        Forgets all steps, or those of one request, for another that takes its place.
        """

    def permute(self, order: object, *, cuda_stream: object | None = None) -> None:
        """
        Moves what is carried along with requests that change places: request b gets what order[b] had (nothing where that is negative). order: [batch], int32.
        """

class DecodePlan:
    """
    Decode attention by one method, for steps as large as this one at most.

    out[b, h] = sum_i a_i v_i over the visible keys of request b, a = softmax(soft_cap(scale <q, k_i>)), exactly or by an
    unbiased sample of the rows. Makes its memory once; `run` allocates nothing of its own.

    query           [batch, heads, dim] or [batch, tokens, heads, dim]: its extents are looked at, not its content
    cache           a ContiguousCache: extents and element type are looked at
    scale           factor of <q, k>, in natural units; 0: 1 / sqrt(dim)
    window          how many of the last keys are visible; None: all
    soft_cap        scores become soft_cap * tanh(score / soft_cap), in natural units; None: as they are
    causal          of several tokens: their own keys are the last ones, each sees its own and those before
    keys_per_split  keys of a unit of work, a multiple of 256; 0: the plan chooses
    length          for caches of up to so many keys; 0: as many as this one has room for

    Raises ValueError: name, given, accepted.
    """

    def __init__(self, method: Exact | MassUnit | Systematic | Stratified | Multinomial | FixedTileBudget | ProportionalTileBudget, query: object, cache: ContiguousCache, *, scale: float = 0.0, window: int | None = None, soft_cap: float | None = None, causal: bool = True, keys_per_split: int = 0, length: int = 0) -> None: ...

    def run(self, query: object, cache: ContiguousCache, out: object | None = None, *, seed: object = 0, step: object = 0, stream: object = 0, state: object | None = None, sinks: object | None = None, lse: object | None = None, error: object | None = None, statistics: object | None = None, center: object | None = None, requests: object | None = None, budgets: object | None = None, tokens: object | None = None, trees: object | None = None, cuda_stream: object | None = None) -> object:
        """
        Decodes one step, and returns its output.

        query       [batch, heads, dim] or [batch, tokens, heads, dim], float32 or of the cache's type (uint16 for bfloat16)
        cache       of the plan's element type; batch and length may be smaller than the plan's
        out         like query with values' dim, float32 or of query's type; None: a new array of query's framework and type
                    (float32 for bfloat16 in NumPy)
        seed        0 to 2^64 - 1, or an array [batch] of 64-bit integers
        step        decode step, 0 to 2^32 - 1, or an array [batch] of 32-bit integers
        stream      0 to 65535, usually the layer: streams draw independently
        state       a DecodeState, for MassUnit
        sinks       [heads] float32: logits beside the scores; a head's output is N / (Z + e^sink)
        lse         [batch, heads] or [batch, tokens, heads] float32, written: natural log-sum-exp of the scores
                    and of the sink where there is one
        error       the same: estimated L2 norm of the error of out
        statistics  [batch, kv_heads] of santa.statistics_dtype, or their bytes [batch, kv_heads, 24] as uint8, written
        center      [batch, kv_heads, values' dim] float32: a control variate, such as the mean value row
        requests    [batch] 32-bit integers: identities that draws go by; None: the batch index
        budgets     [batch] float32: in place of MassUnit's rows, request by request
        tokens      [batch] int32: tokens of a request, where they are fewer
        trees       [batch, tokens] 32-bit integers: bit i says whether the token sees token i
        cuda_stream an int, torch.cuda.Stream or cupy.cuda.Stream; None: the framework's current one. On a host: None

        The GIL is released while kernels run. On CUDA they may still run when this returns. Raises ValueError: name, given,
        accepted.
        """

    @property
    def shape(self) -> Shape: ...

    @property
    def workspace_bytes(self) -> int: ...

    def describe(self) -> str:
        """What the plan does and costs, in a few lines for people."""

def decode(method: Exact | MassUnit | Systematic | Stratified | Multinomial | FixedTileBudget | ProportionalTileBudget, query: object, keys: object, values: object | None = None, lengths: object | None = None, out: object | None = None, *, layout: str = 'token_major', dtype: object | None = None, scale: float = 0.0, window: int | None = None, soft_cap: float | None = None, causal: bool = True, keys_per_split: int = 0, seed: object = 0, step: object = 0, stream: object = 0, state: object | None = None, sinks: object | None = None, lse: object | None = None, error: object | None = None, statistics: object | None = None, center: object | None = None, requests: object | None = None, budgets: object | None = None, tokens: object | None = None, trees: object | None = None, cuda_stream: object | None = None) -> object:
    """
    Decodes one step: the one-call form of ContiguousCache, DecodePlan and run.

    keys, values, lengths, layout, dtype are those of ContiguousCache; or `keys` is a cache, without values and lengths. All
    else is as in DecodePlan and DecodePlan.run. Lengths are validated, and kernels have run when this returns.

    Plans are kept and taken again for steps of the same method, options and extents. They are made for lengths rounded up
    to a power of two, so that a cache that grows costs a plan once a doubling (for FixedTileBudget, whose draws depend on
    the plan's length, one for each length). Raises ValueError: name, given, accepted.
    """
