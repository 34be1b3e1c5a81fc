// An engine's loop: requests arrive, grow by a token a step in pages of one pool, are preempted when it is full, come
// back and finish. What each of them gets is compared with what it gets alone. Link santa::santa.
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <random>
#include <utility>
#include <vector>

using Space = Kokkos::DefaultExecutionSpace;  // the GPU, if Kokkos has one
using Memory = Space::memory_space;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;

constexpr int query_heads = 4, key_heads = 1, features = 64;
constexpr int seats = 6, page_size = 4, max_pages = 24, pages = 60, max_length = max_pages * page_size;
const santa::MassUnit sampled{.rows = santa::share(0.25)};

/// The model, in this place: any numbers that a request's name and a token's position decide.
struct Numbers {
  View<const std::uint32_t*> names;    // by token
  View<const std::int32_t*> position;  // by token
  View<float***> numbers;
  std::uint32_t kind;

  KOKKOS_FUNCTION void operator()(const int i) const {
    const auto all = static_cast<int>(numbers.extent(1) * numbers.extent(2));
    std::uint32_t bits = (names(i / all) * 7919U + static_cast<std::uint32_t>(position(i / all))) * 613U + kind;
    for (int round = 0; round < 3; ++round)
      bits = (bits ^ (bits >> 15)) * 0x2c1b3c6dU + static_cast<std::uint32_t>(i % all);
    numbers.data()[i] = static_cast<float>(bits >> 8) * 0x1p-23F - 1.F;
  }
};

template <class T>
auto on_device(const std::vector<T>& numbers) {
  const View<T*> view("numbers", numbers.size());
  Kokkos::deep_copy(view, Kokkos::View<const T*, Kokkos::HostSpace>(numbers.data(), numbers.size()));
  return view;
}

/// Tokens of a step, in the order of their requests: whose, and where.
struct Tokens {
  std::vector<std::uint32_t> names;
  std::vector<std::int32_t> positions, indptr = {0};

  void add(std::uint32_t name, int begin, int end) {
    for (int i = begin; i < end; ++i) {
      names.push_back(name);
      positions.push_back(i);
    }
  }
  void close_request() { indptr.push_back(static_cast<std::int32_t>(names.size())); }

  View<float***> rows(std::uint32_t kind, std::size_t many) const {
    const View<float***> result("rows", names.size(), many, features);
    Kokkos::parallel_for(Kokkos::RangePolicy<Space>(0, result.size()),
                         Numbers{on_device(names), on_device(positions), result, kind});
    return result;
  }
  template <class Cache>
  void append_to(const Space& space, const Cache& cache) const {
    santa::append(space, cache, rows(1, key_heads), rows(2, key_heads), on_device(indptr));
  }
};

/// Both methods on a cache, for all seats of a batch.
template <class Cache>
class Decoder {
 public:
  Decoder(int batch, const Cache& cache)
      : _query("query", batch, query_heads, features),
        _out{View<float***>("exact", batch, query_heads, features),
             View<float***>("sampled", batch, query_heads, features)},
        _cache(cache),
        _exact(_space, santa::Exact{}, _query, cache),
        _sampled(_space, sampled, _query, cache),
        _state(_space, _sampled.shape()) {
    run(Tokens{}, 0, {});  // a state that has been used: from here on requests join one by one
    for (int seat = 0; seat < batch; ++seat) _state.reset(_space, seat);
  }
  [[nodiscard]] const auto& state() const { return _state; }

  /// A step, the newest token of each seat being `last`. Gives what seat b gets at [b].
  std::vector<std::vector<float>> run(const Tokens& last, std::uint32_t step, const std::vector<std::uint32_t>& names) {
    const auto batch = _query.extent(0);
    if (!last.names.empty()) Kokkos::deep_copy(_query, last.rows(0, query_heads));
    const auto requests = on_device(names.empty() ? std::vector<std::uint32_t>(batch) : names);
    _exact.run(_space, _query, _cache, _out[0], {});
    _sampled.run(_space, _query, _cache, _out[1], {.seed = 5, .step = step, .requests = requests, .state = _state});
    std::vector<std::vector<float>> result(batch);
    for (const auto& out : _out) {
      const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), out);
      for (std::size_t b = 0; b < batch; ++b)
        result[b].insert(result[b].end(), &host(b, 0, 0), &host(b, 0, 0) + query_heads * features);
    }
    return result;
  }

 private:
  Space _space;
  View<float***> _query, _out[2];
  Cache _cache;
  santa::DecodePlan<Space, santa::Exact, Cache> _exact;
  santa::DecodePlan<Space, santa::MassUnit, Cache> _sampled;
  santa::DecodeState<Memory> _state;
};

struct Request {
  std::uint32_t name;
  int prompt, length;  // tokens that it comes with, and that it will have
  int written = 0;     // tokens in the cache
  std::vector<std::int32_t> pages = {};
  // Of each token that it was given: the step, the outputs, and whether it had just come (back), with nothing carried.
  std::vector<std::uint32_t> steps = {};
  std::vector<std::vector<float>> outputs = {};
  std::vector<bool> came = {};

  [[nodiscard]] int known() const { return prompt + static_cast<int>(outputs.size()); }
  [[nodiscard]] bool done() const { return known() == length; }

  /// Decodes all of it once more by itself, in a contiguous cache, and compares bits.
  [[nodiscard]] bool is_the_same_alone() const {
    const Space space;
    const View<float****> keys("keys", 1, max_length, key_heads, features),
        values("values", 1, max_length, key_heads, features);
    const View<std::int64_t*> lengths("lengths", 1);
    const santa::ContiguousCache cache{keys, values, lengths};
    Decoder alone(1, cache);
    for (int i = 0; i < static_cast<int>(outputs.size()); ++i) {
      Tokens tokens, last;
      tokens.add(name, i == 0 ? 0 : prompt + i - 1, prompt + i);
      tokens.close_request();
      last.add(name, prompt + i - 1, prompt + i);
      Kokkos::deep_copy(lengths, prompt + i);
      tokens.append_to(space, cache);
      if (came[i]) alone.state().reset(space, 0);
      if (alone.run(last, steps[i], {name})[0] != outputs[i]) return false;
    }
    return true;
  }
};

/// A pool of pages, and the requests that have them.
class Engine {
 public:
  Engine() {
    for (int page = 0; page < pages; ++page) _free.push_back(page);
  }
  [[nodiscard]] bool has_room_to_wait() const { return _waiting.size() < 4; }
  [[nodiscard]] bool is_idle() const { return _waiting.empty() && _running.empty(); }
  [[nodiscard]] std::size_t free_pages() const { return _free.size(); }
  void accept(Request request) { _waiting.push_back(std::move(request)); }

  /// One step of all requests; gives those that are done.
  std::vector<Request> step(std::uint32_t number) {
    admit();
    for (std::size_t b = 0; b < _running.size(); ++b)
      while (b < _running.size() && !get_pages(_running[b])) preempt();  // the newest; itself at last
    Tokens tokens, last;
    std::vector<std::uint32_t> names(seats);
    const auto table = Kokkos::create_mirror_view(_table);
    const auto lengths = Kokkos::create_mirror_view(_lengths);
    Kokkos::deep_copy(table, -1);
    Kokkos::deep_copy(lengths, 0);
    for (std::size_t b = 0; b < seats; ++b) {
      if (b < _running.size()) {
        Request& request = _running[b];
        std::copy(request.pages.begin(), request.pages.end(), &table(b, 0));
        lengths(b) = request.known();
        names[b] = request.name;
        request.came.push_back(request.written == 0);
        tokens.add(request.name, request.written, request.known());
        request.written = request.known();
      }
      tokens.close_request();
      last.add(names[b], static_cast<int>(lengths(b)) - 1, static_cast<int>(lengths(b)));
    }
    Kokkos::deep_copy(_table, table);
    Kokkos::deep_copy(_lengths, lengths);
    tokens.append_to(_space, _cache);
    auto outputs = _decoder.run(last, number, names);
    for (std::size_t b = 0; b < _running.size(); ++b) {
      _running[b].steps.push_back(number);
      _running[b].outputs.push_back(std::move(outputs[b]));
    }
    return finished();
  }
  [[nodiscard]] int preemptions() const { return _preemptions; }

 private:
  /// Requests that wait take free seats, as long as there are pages for what they come with.
  void admit() {
    while (!_waiting.empty() && _running.size() < seats && get_pages(_waiting.front())) {
      _decoder.state().reset(_space, static_cast<std::int64_t>(_running.size()));
      _running.push_back(std::move(_waiting.front()));
      _waiting.pop_front();
    }
  }
  /// Pages for all of a request's tokens, or none more.
  bool get_pages(Request& request) {
    const std::size_t wanted = (request.known() + page_size - 1) / page_size;
    if (wanted > request.pages.size() + _free.size()) return false;
    for (; request.pages.size() < wanted; _free.pop_back()) request.pages.push_back(_free.back());
    return true;
  }
  void give_pages(Request& request) {
    _free.insert(_free.end(), request.pages.begin(), request.pages.end());
    request.pages.clear();
    request.written = 0;
  }
  /// The request that came last goes back to those that wait, without its pages.
  void preempt() {
    give_pages(_running.back());
    _waiting.push_front(std::move(_running.back()));
    _running.pop_back();
    ++_preemptions;
  }
  /// Those that are done leave; the others move up, and what they carry with them.
  std::vector<Request> finished() {
    std::vector<Request> done, left;
    std::vector<std::int32_t> order;
    for (std::size_t b = 0; b < _running.size(); ++b) {
      if (!_running[b].done()) order.push_back(static_cast<std::int32_t>(b));
      if (_running[b].done()) give_pages(_running[b]);
      (_running[b].done() ? done : left).push_back(std::move(_running[b]));
    }
    _running = std::move(left);
    order.resize(seats, -1);
    if (!done.empty()) _decoder.state().permute(_space, on_device(order));
    return done;
  }

  using Cache =
      santa::PagedCache<View<float****>, View<float****>, santa::PageTable<View<std::int32_t**>, View<std::int64_t*>>>;
  Space _space;
  View<float*****> _pool{"pool", 2, pages, page_size, key_heads, features};
  View<std::int32_t**> _table{"table", seats, max_pages};
  View<std::int64_t*> _lengths{"lengths", seats};
  Cache _cache{View<float****>(&_pool(0, 0, 0, 0, 0), pages, page_size, key_heads, features),
               View<float****>(&_pool(1, 0, 0, 0, 0), pages, page_size, key_heads, features),
               santa::PageTable{_table, _lengths}};
  Decoder<Cache> _decoder{seats, _cache};
  std::vector<std::int32_t> _free;
  std::vector<Request> _running;
  std::deque<Request> _waiting;
  int _preemptions = 0;
};

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const int steps = argc > 1 ? std::atoi(argv[1]) : 500;
  Engine engine;
  std::mt19937 random(3);
  const auto any = [&](int least, int most) { return std::uniform_int_distribution(least, most)(random); };
  std::uint32_t names = 0, step = 0;
  int done = 0, different = 0;
  for (; static_cast<int>(step) < steps || !engine.is_idle(); ++step) {
    if (static_cast<int>(step) < steps && engine.has_room_to_wait() && any(0, 3) == 0) {
      const int prompt = any(1, max_length / 2);
      engine.accept({.name = names++, .prompt = prompt, .length = any(prompt + 1, max_length)});
    }
    for (const Request& request : engine.step(step)) {
      ++done;
      different += request.is_the_same_alone() ? 0 : 1;
    }
  }
  std::printf("%d requests in %d steps, %d preemptions, %d unlike alone, %d of %d pages free at last (%s)\n", done,
              static_cast<int>(step), engine.preemptions(), different, static_cast<int>(engine.free_pages()), pages,
              Space::name());
  return different == 0 && done == static_cast<int>(names) && engine.free_pages() == pages ? 0 : 1;
}
