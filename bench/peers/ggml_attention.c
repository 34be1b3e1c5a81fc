// ggml's flash attention on a host, by its public interface: ggml_attention BATCH LENGTH THREADS TYPE REPEATS BYTES.
// One decode step of 32 query heads on 8 kv heads of 128, keys and values token-major in TYPE (f16, bf16, q8_0) as
// llama.cpp has them, over so many copies in turn that they have BYTES bytes. Prints a line of JSON: microseconds
// (median of REPEATS rounds, of one copy), and how far one head of the last copy is from attention in double over the
// same rows.
// Without OpenMP: where its threads are bound (OMP_PROC_BIND), the first one is before main, and all that ggml starts
// inherit its one core.
#define _GNU_SOURCE
#include <ggml-cpu.h>
#include <ggml.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { heads = 32, kv_heads = 8, dim = 128, block_rows = 8192 };

static void* memory_of(size_t bytes) {
  void* memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory == NULL) {
    fprintf(stderr, "no memory for %zu bytes\n", bytes);
    exit(1);
  }
  return memory;
}

/// A standard normal number.
static float normal(unsigned long long* state) {
  double uniform[2];
  for (int i = 0; i < 2; ++i) {
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    uniform[i] = ((double)(*state >> 40) + 1.) * 0x1p-24;
  }
  return (float)(sqrt(-2. * log(uniform[0])) * cos(6.283185307179586 * uniform[1]));
}

/// All tensors of all copies, repetitions of a block. Part `part` of `parts` is a thread's, as its pages lie near it.
struct filling {
  char* pool;
  const char* block;
  size_t row_bytes, tensors;
  long rows;  // of a tensor
  int part, parts;
};

static void* fill_part(void* argument) {
  const struct filling* f = argument;
  const long begin = f->rows * f->part / f->parts, end = f->rows * (f->part + 1) / f->parts;
  for (size_t tensor = 0; tensor < f->tensors; ++tensor)
    for (long row = begin; row < end; ++row)
      memcpy(f->pool + (tensor * (size_t)f->rows + (size_t)row) * f->row_bytes,
             f->block + (size_t)(row % block_rows) * f->row_bytes, f->row_bytes);
  return NULL;
}

static void fill(struct filling whole) {
  pthread_t* threads = memory_of((size_t)whole.parts * sizeof(*threads));
  struct filling* parts = memory_of((size_t)whole.parts * sizeof(*parts));
  for (int part = 0; part < whole.parts; ++part) {
    parts[part] = whole;
    parts[part].part = part;
    if (pthread_create(&threads[part], NULL, fill_part, &parts[part]) != 0) {
      fprintf(stderr, "can't start a thread\n");
      exit(1);
    }
  }
  for (int part = 0; part < whole.parts; ++part) pthread_join(threads[part], NULL);
  free(parts);
  free(threads);
}

/// Threads that share processors wait for each other's time slices at every barrier: their times mean nothing.
static int processors(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 0;
}

static int by_value(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

/// |out - reference| / |reference| of a head, by the rows as ggml itself decodes them.
static double error_of(const struct ggml_tensor* q, const char* keys, const char* values, enum ggml_type type,
                       long length, int head, const float* out) {
  const size_t row_bytes = ggml_row_size(type, dim);
  const float* query = (const float*)q->data + (size_t)head * dim;
  double sum[dim] = {0.}, mass = 0., most = -INFINITY;
  float row[dim];
  double* score = memory_of((size_t)length * sizeof(double));
  for (long i = 0; i < length; ++i) {
    ggml_get_type_traits(type)->to_float(keys + ((size_t)i * kv_heads + head / (heads / kv_heads)) * row_bytes, row,
                                         dim);
    score[i] = 0.;
    for (int d = 0; d < dim; ++d) score[i] += (double)query[d] * row[d] / sqrt(dim);
    if (score[i] > most) most = score[i];
  }
  for (long i = 0; i < length; ++i) {
    ggml_get_type_traits(type)->to_float(values + ((size_t)i * kv_heads + head / (heads / kv_heads)) * row_bytes, row,
                                         dim);
    const double weight = exp(score[i] - most);
    mass += weight;
    for (int d = 0; d < dim; ++d) sum[d] += weight * row[d];
  }
  free(score);
  double apart = 0., norm = 0.;
  for (int d = 0; d < dim; ++d) {
    const double reference = sum[d] / mass;
    apart += (out[d] - reference) * (out[d] - reference);
    norm += reference * reference;
  }
  return sqrt(apart / norm);
}

int main(int argc, char** argv) {
  if (argc != 7) {
    fprintf(stderr, "ggml_attention BATCH LENGTH THREADS TYPE REPEATS BYTES\n");
    return 2;
  }
  const long batch = atol(argv[1]), length = atol(argv[2]);
  const int threads = atoi(argv[3]), repeats = atoi(argv[5]);
  const enum ggml_type type = strcmp(argv[4], "f16") == 0    ? GGML_TYPE_F16
                              : strcmp(argv[4], "bf16") == 0 ? GGML_TYPE_BF16
                              : strcmp(argv[4], "q8_0") == 0 ? GGML_TYPE_Q8_0
                                                             : GGML_TYPE_COUNT;
  if (batch < 1 || length < 1 || threads < 1 || repeats < 1 || type == GGML_TYPE_COUNT) {
    fprintf(stderr, "an argument is no positive number, or no type\n");
    return 2;
  }
  if (processors() < threads) {
    fprintf(stderr, "%d threads, but this process may use %d processors\n", threads, processors());
    return 2;
  }
  ggml_cpu_init();
  const size_t row_bytes = ggml_row_size(type, dim);
  const long rows = batch * length * kv_heads;
  const size_t half = row_bytes * (size_t)rows;  // keys of a copy, or its values
  const size_t wanted = (size_t)atof(argv[6]);
  const size_t copies = wanted / (2 * half) + 1 < 2 ? 2 : wanted / (2 * half) + 1;

  unsigned long long state = 1;
  float* numbers = memory_of(sizeof(float) * block_rows * dim);
  for (long i = 0; i < (long)block_rows * dim; ++i) numbers[i] = normal(&state);
  char* block = memory_of(row_bytes * block_rows);
  ggml_quantize_chunk(type, numbers, block, 0, block_rows, dim, NULL);
  char* pool = memory_of(2 * half * copies);
  fill((struct filling){
      .pool = pool, .block = block, .row_bytes = row_bytes, .tensors = 2 * copies, .rows = rows, .parts = threads});

  struct ggml_init_params params = {
      .mem_size = (size_t)(copies + 4) * (ggml_tensor_overhead() * 8 + ggml_graph_overhead()), .no_alloc = true};
  struct ggml_context* ctx = ggml_init(params);
  struct ggml_tensor* q = ggml_new_tensor_4d(ctx, GGML_TYPE_F32, dim, 1, heads, batch);
  q->data = memory_of(ggml_nbytes(q));
  for (long row = 0; row < heads * batch; ++row) {  // scores of standard deviation 3
    float* query = (float*)q->data + row * dim;
    double norm = 0.;
    for (int d = 0; d < dim; ++d) {
      query[d] = normal(&state);
      norm += query[d] * query[d];
    }
    for (int d = 0; d < dim; ++d) query[d] *= (float)(3. * sqrt(dim / norm));
  }
  float* out = memory_of(sizeof(float) * dim * heads * (size_t)batch);
  struct ggml_cgraph** graphs = memory_of(copies * sizeof(*graphs));
  for (size_t copy = 0; copy < copies; ++copy) {
    struct ggml_tensor* rows_of[2];
    for (int i = 0; i < 2; ++i) {
      struct ggml_tensor* whole = ggml_new_tensor_4d(ctx, type, dim, kv_heads, length, batch);
      whole->data = pool + (2 * copy + i) * half;
      rows_of[i] = ggml_permute(ctx, whole, 0, 2, 1, 3);
      rows_of[i]->data = whole->data;
    }
    struct ggml_tensor* result = ggml_flash_attn_ext(ctx, q, rows_of[0], rows_of[1], NULL, 1.F / sqrtf(dim), 0.F, 0.F);
    result->data = out;
    graphs[copy] = ggml_new_graph(ctx);
    ggml_build_forward_expand(graphs[copy], result);
  }

  struct ggml_threadpool_params pool_params = ggml_threadpool_params_default(threads);
  struct ggml_threadpool* threadpool = ggml_threadpool_new(&pool_params);
  struct ggml_cplan plan = ggml_graph_plan(graphs[0], threads, threadpool);
  plan.work_data = memory_of(plan.work_size + 64);
  double* times = memory_of(sizeof(double) * (size_t)repeats);
  for (int round = -2; round < repeats; ++round) {
    const int64_t begin = ggml_time_us();
    for (size_t copy = 0; copy < copies; ++copy)
      if (ggml_graph_compute(graphs[copy], &plan) != GGML_STATUS_SUCCESS) return 1;
    if (round >= 0) times[round] = (double)(ggml_time_us() - begin) / (double)copies;
  }
  qsort(times, (size_t)repeats, sizeof(double), by_value);
  const char* last = pool + 2 * (copies - 1) * half;
  const double error = error_of(q, last, last + half, type, length, 5, out + 5 * dim);
  printf("{\"microseconds\": %.1f, \"relative_error\": %.3g, \"copies\": %zu}\n", times[repeats / 2], error, copies);
  return error < 0.02 ? 0 : 1;
}
