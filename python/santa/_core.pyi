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

def compiled_for() -> dict[str, str]:
    """
    What plans are compiled for, "all" or names.

    Of "methods", "types" of rows, "caches" (their kinds) and, for CUDA, "extents" (at most so many query heads of a kv head,
    dim). Other plans raise ValueError.
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

class Cache:
    """A cache of any kind: what plans decode."""

    @property
    def shape(self) -> Shape: ...

    @property
    def dtype(self) -> str: ...

    def __repr__(self) -> str: ...

class ContiguousCache(Cache):
    """
    Keys and values of a batch of requests in two arrays.

    keys, values  [batch, length, kv_heads, dim] or, with layout="head_major", [batch, kv_heads, length, dim], both of
                  float32, float16, bfloat16, int8 or float8_e4m3fn; any strides, but the last extent is contiguous. Values
                  may have another dim than keys. They are not copied, and kept as long as the cache.
    lengths       [batch], int32 or int64: valid keys of each request; None: the whole storage.
    layout        "token_major" or "head_major".
    dtype         "bfloat16" says that arrays of uint16 have the bits of bfloat16, which NumPy has no type for;
                  "float8_e4m3fn" the same of arrays of uint8.
    key_scale, value_scale  what rows of one byte are multiplied by: a number, float32 [kv_heads], or one for each row,
                  [batch, length, kv_heads] (head-major [batch, kv_heads, length]); both of one rank. None: 1. Such caches
                  are decoded by Exact and by MassUnit with joint draws.

    Raises ValueError: name, given, accepted.
    """

    def __init__(self, keys: object, values: object, lengths: object | None = None, *, layout: str = 'token_major', dtype: object | None = None, key_scale: object | None = None, value_scale: object | None = None) -> None: ...

    @property
    def keys(self) -> object: ...

    @property
    def values(self) -> object: ...

class PagedCache(Cache):
    """
    Keys and values of a batch of requests in pages of two pools.

    keys, values  [pages, page_size, kv_heads, dim] or, with layout="head_major", [pages, kv_heads, page_size, dim], of the
                  types that a ContiguousCache takes; any strides, but the last extent is contiguous: halves of one block
                  and layers of one allocation will do. Not copied, and kept as long as the cache.
    table         [batch, max_pages], int32, any strides: page table[b, n] holds rows n * page_size and on of request b.
                  Entries beyond a request's length are never read.
    lengths       [batch], int32 or int64.
    indptr, indices, last_page_length  in the place of table and lengths, int32: pages indices[indptr[b]] to
                  indices[indptr[b + 1] - 1] are those of request b, the last one has last_page_length[b] rows.
    length        the largest length of a request with such a list; 0: all rows of the pool.
    layout, dtype, key_scale, value_scale  as of a ContiguousCache: scales of rows have the pools' extents without the last.

    Entries out of range are taken for page 0 and flagged in the statistics: `santa.validate` names them. Outputs and draws
    are those of the same rows in a ContiguousCache. Raises ValueError: name, given, accepted.
    """

    def __init__(self, keys: object, values: object, table: object | None = None, lengths: object | None = None, *, indptr: object | None = None, indices: object | None = None, last_page_length: object | None = None, length: int = 0, layout: str = 'token_major', dtype: object | None = None, key_scale: object | None = None, value_scale: object | None = None) -> None: ...

    @property
    def keys(self) -> object: ...

    @property
    def values(self) -> object: ...

class NarrowKeys:
    """
    A copy of a cache's keys in 8 or 4 bits a feature, by which scores are made.

    cache  a ContiguousCache or PagedCache of float32, float16 or bfloat16: extents are looked at; of a paged one those of
           its pool, whose copy all requests share
    code   "int4", "int8" or "fp8" (e4m3)

    Made by `calibrate` and `encode`, kept in step by `santa.append` or `encode_newest`. Raises ValueError: name, given,
    accepted.
    """

    def __init__(self, cache: Cache, code: str = 'int4') -> None: ...

    def calibrate(self, cache: Cache, *, cuda_stream: object | None = None) -> None:
        """
        Finds the mean and the spread of each feature of the valid keys: before `encode`, and anew, with it, when keys have drifted (a small effective_sample_size of rescored steps says so).
        """

    def encode(self, cache: Cache, first: int = 0, count: int | None = None, *, cuda_stream: object | None = None) -> None:
        """
        Encodes keys first to first + count - 1 of every request; None: all from first on.
        """

    def encode_newest(self, cache: Cache, count: int = 1, *, cuda_stream: object | None = None) -> None:
        """
        Encodes the last `count` valid keys of every request, that a step has written; `santa.append` to a NarrowCache does so itself.
        """

    @property
    def code(self) -> str: ...

    @property
    def bytes(self) -> int:
        """What the copy takes."""

class NarrowCache(Cache):
    """
    A cache whose scores are made by a narrow copy of its keys.

    cache     a ContiguousCache or PagedCache: values are its own
    keys      NarrowKeys made for it
    rescored  the drawn rows' scores are made again from their full keys, which takes the copy's error out of the result:
              steps of MassUnit. Without it outputs are those of attention over rounded keys, by Exact or MassUnit; both
              with joint draws.

    Raises ValueError: name, given, accepted.
    """

    def __init__(self, cache: Cache, keys: NarrowKeys, *, rescored: bool = True) -> None: ...

    @property
    def cache(self) -> object: ...

    @property
    def keys(self) -> object: ...

    @property
    def rescored(self) -> bool: ...

def append(cache: Cache, keys: object, values: object, numbers: object | None = None, *, cuda_stream: object | None = None) -> None:
    """
    Writes the new tokens of all requests to a cache, in one kernel; two with a copy.

    The cache's lengths, and its page table, count the new tokens already: these become the last rows of their requests.

    cache         contiguous or paged, with lengths; its arrays can be written. A NarrowCache's copy is kept in step
    keys, values  [batch, kv_heads, dim], a token of each request; [batch, tokens, kv_heads, dim], several, or with numbers
                  [batch] the first numbers[b] of request b; [all tokens, kv_heads, dim] with numbers [batch + 1], int32,
                  tokens numbers[b] to numbers[b + 1] - 1 being those of request b. Both of the cache's type or float32; for
                  caches of one byte a row's element float32, float16 or bfloat16. Values have values' dim
    numbers       int32, or None

    Rows of one byte are divided by their scale and saturate; scales of rows are made here, and written. Tokens whose
    request's length is below their number or beyond the storage, or whose page is none of the pool, are not written. On
    CUDA the kernel may still run when this returns. Raises ValueError: name, given, accepted.
    """

def validate(cache: Cache) -> None:
    """
    Checks lengths and page tables, which plans do not look at: raises ValueError naming the first that is out of range. Waits for kernels.
    """

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

    out[b, h] = sum_i a_i v_i over the visible keys of request b, a = softmax(soft_cap(scale <q, k_i>) + bias), exactly or by
    an unbiased sample of the rows. Makes its memory once; `run` allocates nothing of its own.

    query           [batch, heads, dim] or [batch, tokens, heads, dim]: its extents are looked at, not its content
    cache           of any kind: its extents and types are looked at
    scale           factor of <q, k>, in natural units; 0: 1 / sqrt(dim)
    window          how many of the last keys are visible; None: all
    soft_cap        scores become soft_cap * tanh(score / soft_cap), in natural units; None: as they are
    alibi_slopes    [heads] float32, read when the plan runs, and kept: scores get slope * (key's position - query's), behind
                    the soft cap; None: no biases
    causal          of several tokens: their own keys are the last ones, each sees its own and those before
    keys_per_split  keys of a unit of work, a multiple of 256; 0: the plan chooses
    length          for caches of up to so many keys; 0: as many as this one has room for

    Raises ValueError: name, given, accepted.
    """

    def __init__(self, method: Exact | MassUnit | Systematic | Stratified | Multinomial | FixedTileBudget | ProportionalTileBudget, query: object, cache: Cache, *, scale: float = 0.0, window: int | None = None, soft_cap: float | None = None, alibi_slopes: object | None = None, causal: bool = True, keys_per_split: int = 0, length: int = 0) -> None: ...

    def run(self, query: object, cache: Cache, out: object | None = None, *, seed: object = 0, step: object = 0, stream: object = 0, state: object | None = None, sinks: object | None = None, lse: object | None = None, error: object | None = None, statistics: object | None = None, center: object | None = None, requests: object | None = None, budgets: object | None = None, tokens: object | None = None, trees: object | None = None, cuda_stream: object | None = None) -> object:
        """
        Decodes one step, and returns its output.

        query       [batch, heads, dim] or [batch, tokens, heads, dim], float32 or of the cache's type (uint16 for bfloat16)
        cache       of the plan's kind; batch and length may be smaller than the plan's
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

def decode(method: Exact | MassUnit | Systematic | Stratified | Multinomial | FixedTileBudget | ProportionalTileBudget, query: object, keys: object, values: object | None = None, lengths: object | None = None, out: object | None = None, *, layout: str = 'token_major', dtype: object | None = None, key_scale: object | None = None, value_scale: object | None = None, scale: float = 0.0, window: int | None = None, soft_cap: float | None = None, alibi_slopes: object | None = None, causal: bool = True, keys_per_split: int = 0, seed: object = 0, step: object = 0, stream: object = 0, state: object | None = None, sinks: object | None = None, lse: object | None = None, error: object | None = None, statistics: object | None = None, center: object | None = None, requests: object | None = None, budgets: object | None = None, tokens: object | None = None, trees: object | None = None, cuda_stream: object | None = None) -> object:
    """
    Decodes one step: the one-call form of ContiguousCache, DecodePlan and run.

    keys, values, lengths, layout, dtype, key_scale, value_scale are those of ContiguousCache; or `keys` is a cache of any
    kind, without these. All else is as in DecodePlan and DecodePlan.run, but that lengths and page tables are validated,
    which waits for kernels where a cache has them.

    Plans are kept and taken again for steps of the same method, options and extents. They are made for lengths rounded up
    to a power of two, so that a cache that grows costs a plan once a doubling (for FixedTileBudget, whose draws depend on
    the plan's length, one for each length). Raises ValueError: name, given, accepted.
    """

class Clusters:
    """
    Draws clusters of keys by their means, rows of these by codes, and reads those.

    bytes        share of the bytes that exact attention reads, above what means take and up to 1
    code_share   of what means leave, how much goes to codes: 0.05 to 0.95
    keys, rows   in the place of bytes: how many keys' codes and how many rows are read, as MassUnit has its rows
    estimate     "telescoping" or "self_normalised"
    value_codes  whether codes of values are read, where they are kept; chooses_codes: not where means predict badly
    steered      steps after the first read the means of keys before they draw

    Numerator and denominator of the output are unbiased (docs/clusters.md). Raises ValueError: name, given, accepted.
    """

    def __init__(self, bytes: float = 0.125, code_share: float = 0.67, keys: RowBudget | None = None, rows: RowBudget | None = None, estimate: str = 'telescoping', value_codes: bool = True, steered: bool = True, chooses_codes: bool = True) -> None: ...

    @property
    def bytes(self) -> float: ...

    @property
    def code_share(self) -> float: ...

class ClusteredKeys:
    """
    Clusters of the keys of a cache, beside it; none made yet.

    cache        a ContiguousCache or PagedCache of bfloat16 or float16: extents are looked at
    chunk        consecutive keys that are clustered together, 32 to 32768
    keys         of a cluster on average, 4 to 256, a divisor of chunk
    value_codes  whether residuals of values are coded too

    Raises ValueError: name, given, accepted.
    """

    def __init__(self, cache: Cache, *, chunk: int = 2048, keys: int = 16, value_codes: bool = True) -> None: ...

    def reset(self, request: int, *, cuda_stream: object | None = None) -> None:
        """Forgets the clusters of a request, for another that takes its place."""

    @property
    def clustered(self) -> list[int]:
        """Chunks of each request that are clustered. Waits for kernels."""

    @property
    def bytes(self) -> int: ...

class ClusteredCache:
    """A cache and the ClusteredKeys that were made for it."""

    def __init__(self, cache: Cache, keys: ClusteredKeys) -> None: ...

    @property
    def cache(self) -> object: ...

    @property
    def keys(self) -> object: ...

def cluster_keys(cache: ClusteredCache, *, cuda_stream: object | None = None) -> None:
    """
    Clusters all full chunks of every request of a ClusteredCache, after a prompt. Waits for kernels.
    """

class NewestClusters:
    """
    Clusters a request's chunk once its newest token has filled it.

    keys   ClusteredKeys
    calls  of `run` that cluster a chunk: each does a part of the work; until the last the chunk is read as it is
    """

    def __init__(self, keys: ClusteredKeys, calls: int = 96) -> None: ...

    def run(self, cache: ClusteredCache, *, cuda_stream: object | None = None) -> None:
        """
        After each append, or every few: for a ClusteredCache with the keys that this was made for.
        """

class ClusterState:
    """
    What a ClusterPlan carries from one decode step to the next, of one layer.
    """

    def __init__(self, batch: int, heads: int) -> None: ...

    def reset(self, request: int | None = None, *, cuda_stream: object | None = None) -> None:
        """
        Forgets all steps, or those of one request, for another that takes its place.
        """

class ClusterPlan:
    """
    Decode attention over clusters of keys, for steps as large as this one at most.

    method  Clusters
    query   [batch, heads, dim]: extents are looked at; at most 8 heads of a kv head draw together
    cache   a ClusteredCache: extents and types are looked at
    scale   factor of <q, k>, in natural units; 0: 1 / sqrt(dim)

    Raises ValueError: name, given, accepted.
    """

    def __init__(self, method: Clusters, query: object, cache: ClusteredCache, *, scale: float = 0.0) -> None: ...

    def run(self, query: object, cache: ClusteredCache, out: object | None = None, *, seed: object = 0, step: object = 0, stream: object = 0, state: object | None = None, lse: object | None = None, error: object | None = None, statistics: object | None = None, requests: object | None = None, cuda_stream: object | None = None) -> object:
        """
        Decodes one step, and returns its output.

        query, out  [batch, heads, dim], float32 or of the cache's type; out None: a new array
        cache       a ClusteredCache of the plan's kind and layout of clusters
        state       a ClusterState, or None
        lse, error  [batch, heads] float32, written: log of the denominator; estimated L2 norm of the error of out
        statistics  [batch, kv_heads] of santa.cluster_statistics_dtype, written
        seed, step, stream, requests  as of DecodePlan.run

        On CUDA kernels may still run when this returns. Raises ValueError: name, given, accepted.
        """

    @property
    def shape(self) -> Shape: ...

    @property
    def workspace_bytes(self) -> int: ...

    def describe(self) -> str:
        """What the plan does and costs, in a few lines for people."""

class Residual:
    """
    Row i floor(samples * p_i) times for certain, and the draws that are left by Multinomial: a rule of `resample`. `samples`: 1 to 2^30.
    """

    def __init__(self, samples: int = 1024) -> None: ...

    @property
    def samples(self) -> int: ...

class DrawnRows:
    """
    Drawn rows of a batch of vectors, in arrays of the caller's framework.

    rows, weights, spreads  [batch, capacity] int64 and float64: the first count[b] are valid, in ascending order of rows.
                            spreads are shares of the variance, which `gather_add` makes errors of
    count                   [batch] int64
    """

    @property
    def rows(self) -> object: ...

    @property
    def weights(self) -> object: ...

    @property
    def spreads(self) -> object: ...

    @property
    def count(self) -> object: ...

def resample(rule: Systematic | Stratified | Residual | Multinomial, log_weights: object, ancestors: object | None = None, *, log_evidence: object | None = None, effective_sample_size: object | None = None, seed: object = 0, step: object = 0, stream: object = 0, requests: object | None = None, cuda_stream: object | None = None) -> object:
    """
    Draws ancestors by log-weights, as particle filters resample.

    rule         Systematic(samples), Stratified, Residual or Multinomial: row i comes samples * p_i times on average, p_i
                 being its weight over the sum of all
    log_weights  [rows] or [batch, rows], float32 or float64, of any size; -infinity: never drawn
    ancestors    int64 [samples] or [batch, samples], written; None: a new array. In ascending order. -1 where all
                 log-weights of a vector are -infinity, or one is NaN or +infinity
    log_evidence           [batch] float64, written: log of the mean of all weights
    effective_sample_size  [batch] float64, written: (sum w)^2 / sum w^2
    seed, step, stream, requests  as of DecodePlan.run: they name the random numbers

    Returns the ancestors, the same on every number of threads. Kernels have run. Raises ValueError: name, given, accepted.
    """

def draw_distinct(k: int, log_weights: object, *, exact_sum: bool = False, log_sum: object | None = None, seed: object = 0, step: object = 0, stream: object = 0, requests: object | None = None, cuda_stream: object | None = None) -> DrawnRows:
    """
    Draws exactly k different rows, row i with probability min(1, w_i / c).

    k            1 to 2^22
    log_weights  [rows] or [batch, rows], float32 or float64; -infinity: never drawn
    exact_sum    weights add up to 1 to the last bit
    log_sum      [batch] float64, written: log of the sum of the weights
    seed, step, stream, requests  as of DecodePlan.run

    Returns DrawnRows, whose weights are Horvitz-Thompson's: the weighted sum of drawn rows is an unbiased estimate of the
    weighted mean of all. Where fewer than k rows weigh anything, count says how many these are. Kernels have run. Raises
    ValueError: name, given, accepted.
    """

def list_ancestors(ancestors: object, *, exact_sum: bool = False, cuda_stream: object | None = None) -> DrawnRows:
    """
    The different rows of ancestors, int64 [samples] or [batch, samples] in ascending order, as DrawnRows with weights of count / samples; with exact_sum these add up to 1 to the last bit. Ancestors of -1 are left out.
    """

def gather_add(drawn: DrawnRows, rows: object, sum: object | None = None, *, center: object | None = None, error: object | None = None, cuda_stream: object | None = None) -> object:
    """
    Adds drawn rows up: sum_i weights_i rows[rows_i], in float64.

    drawn   DrawnRows
    rows    [rows, dim], shared by the batch, or [batch, rows, dim], float32 or float64, the last extent contiguous
    sum     [batch, dim] float64, written; None: a new array
    center  [batch, dim] float64: c, fixed before the draw: the sum is c + sum_i weights_i (rows[rows_i] - c)
    error   [batch, dim] float64, written: standard error of each feature

    Returns the sum. Kernels have run. Raises ValueError: name, given, accepted.
    """

def thin_rows(m: int, log_weights: object, rows: object, *, kernel: str = 'gaussian', bandwidth: float = 0.0, weights: str = 'equal', oversampling: int = 4, scores: object | None = None, rank: int = 0, moments: object | None = None, seed: object = 0, step: object = 0, stream: object = 0) -> DrawnRows:
    """
    Keeps m of n weighted rows so that averages over them stay near those over all.

    m             1 to n; with simplex weights 1 + dim + moments or more (with scores 1 + moments)
    log_weights   [n] float64, of any size; -infinity: not there
    rows          [n, dim] float64, any strides
    kernel, bandwidth  "gaussian" or "inverse_multiquadric", and its h; 0: the median distance
    weights       "equal": multiples of 1 / m; "simplex": positive, adding up to 1, with the mean of the rows kept
    oversampling  0 to 16: each is twice as near and takes 4 times as long
    scores        [n, dim] float64: gradients of the log of the target's density; averages are then near the target's
    rank          with scores: 0: by all n^2 kernels; else by so many columns of a factor
    moments       [n, q] float64: simplex weights keep their means as well
    seed, step, stream  numbers

    Returns DrawnRows of a batch of 1; none where no log-weight is a finite number or one is NaN or +infinity. Raises
    ValueError: name, given, accepted.
    """

def discrepancy(log_weights: object, rows: object, drawn: DrawnRows, *, kernel: str = 'gaussian', bandwidth: float = 0.0, scores: object | None = None) -> float:
    """
    The most that an average over drawn rows is off from one over all, of functions whose norm in the kernel's space is 1; with scores from the target's. Arguments as of thin_rows; n^2 kernels.
    """

class TokenSampler:
    """
    Samples tokens from a language-model head without writing the logits.

    tokens[b] is drawn with probability softmax(logits[b] / temperature), logits[b, i] = <hidden[b], weights[i]>: exactly, by
    the largest of the logits with Gumbel noise.

    batch, vocab, dim  the largest of steps; dim a multiple of 8

    Makes its memory once. Raises ValueError: name, given, accepted.
    """

    def __init__(self, batch: int, vocab: int, dim: int) -> None: ...

    def run(self, hidden: object, weights: object, tokens: object | None = None, *, temperature: float = 1.0, first_row: int = 0, score: object | None = None, logit: object | None = None, lse: object | None = None, seed: object = 0, step: object = 0, stream: object = 0, requests: object | None = None, cuda_stream: object | None = None) -> object:
        """
        Samples one token for each request, and returns them.

        hidden       [batch, dim] float32, or of weights' type
        weights      [vocab, dim] float32, float16 or bfloat16 (or its bits in uint16); rows without gaps
        tokens       [batch] int64, written; None: a new array. -1 where a logit is NaN or +infinity, or all are -infinity
        temperature  0: the row of the largest logit
        first_row    of these weights in the whole vocabulary, if they are a shard of it
        score, logit, lse  [batch] float32, written: the largest of logit + temperature * noise, by which shards are merged; the
                     token's own logit; the natural log-sum-exp of the logits: logit - lse is the token's log-probability
        seed, step, stream, requests  as of DecodePlan.run

        A request's token does not depend on its batch mates or on threads. On CUDA kernels may still run when this returns.
        Raises ValueError: name, given, accepted.
        """

    @property
    def workspace_bytes(self) -> int: ...
