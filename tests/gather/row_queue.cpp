// The queue of drawn rows.
#include <santa/gather/row_queue.hpp>
#include <santa/lanes/host_group.hpp>

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace santa;
using Group = lanes::HostGroup;
using Queue = detail::RowQueue<Group>;

namespace {

struct Team {};

/// What a queue was given and handed out.
struct Log {
  std::vector<std::int32_t> index;
  std::vector<std::vector<float>> weight, spread;
};

struct Fixture {
  int heads;
  bool with_spread;
  std::vector<float> scratch;
  Queue queue;
  Log in, out;
  std::vector<int> batches;

  Fixture(int head_count, bool spread)
      : heads(head_count),
        with_spread(spread),
        scratch(static_cast<std::size_t>(Queue::scratch_words(head_count, spread))),
        queue(scratch.data(), head_count, spread) {
    for (Log* log : {&in, &out})
      log->weight = log->spread = std::vector<std::vector<float>>(static_cast<std::size_t>(heads));
  }

  void push(std::int32_t first, std::uint32_t rows) {
    detail::Drawn<Group> drawn;
    drawn.rows = rows;
    for (int h = 0; h < heads; ++h) {
      std::vector<float> weight;
      std::vector<float> spread;
      for (int i = 0; i < 32; ++i) {
        weight.push_back(static_cast<float>(first + i) + 0.25F * static_cast<float>(h));
        spread.push_back(-weight.back());
        if (((rows >> i) & 1U) == 0) continue;
        in.weight[static_cast<std::size_t>(h)].push_back(weight.back());
        in.spread[static_cast<std::size_t>(h)].push_back(spread.back());
        if (h == 0) in.index.push_back(first + i);
      }
      drawn.weight[h] = Group::Vector<float>::load(weight.data());
      drawn.spread[h] = Group::Vector<float>::load(spread.data());
    }
    queue.push(Group(Team{}), first, drawn);
  }

  /// Takes batches until at most `most` rows are left.
  void take_until(int most) {
    while (queue.size() > most) {
      const int count = queue.size() < Queue::batch ? queue.size() : Queue::batch;
      batches.push_back(count);
      for (int i = 0; i < count; ++i) {
        out.index.push_back(queue.index()[i]);
        for (int h = 0; h < heads; ++h) {
          out.weight[static_cast<std::size_t>(h)].push_back(queue.weight(h)[i]);
          if (with_spread) out.spread[static_cast<std::size_t>(h)].push_back(queue.spread(h)[i]);
        }
      }
      queue.pop(count);
    }
  }
};

}  // namespace

TEST_CASE("queues_hand_out_what_they_were_given_in_order") {
  for (const int heads : {1, 3, 16})
    for (const bool with_spread : {false, true})
      for (const int most : {Queue::batch - 1, 2 * Queue::batch - 1, Queue::capacity - 32}) {
        Fixture f(heads, with_spread);
        std::mt19937 random(7);
        for (int tile = 0; tile < 200; ++tile) {
          const auto bits = static_cast<std::uint32_t>(random());
          f.push(32 * tile, tile % 17 == 0  ? 0xffffffffU
                            : tile % 5 == 0 ? 0U
                                            : bits & static_cast<std::uint32_t>(random()));
          f.take_until(most);
          REQUIRE(f.queue.size() <= most);
        }
        for (const int count : f.batches) CHECK(count == Queue::batch);
        f.take_until(0);
        CHECK(f.queue.size() == 0);
        CHECK(f.out.index == f.in.index);
        CHECK(f.out.weight == f.in.weight);
        if (with_spread) CHECK(f.out.spread == f.in.spread);
      }
}

TEST_CASE("queues_keep_what_is_less_than_a_batch_until_the_end") {
  Fixture f(2, true);
  f.push(0, 0x7fffU);  // 15 rows
  f.take_until(Queue::batch - 1);
  CHECK(f.out.index.empty());
  CHECK(f.queue.size() == 15);
  f.push(32, 0x3U);
  f.take_until(Queue::batch - 1);
  CHECK(f.out.index.size() == 16);
  CHECK(f.queue.size() == 1);
  CHECK(f.queue.index()[0] == 33);
  f.take_until(0);
  CHECK(f.batches == std::vector<int>{16, 1});
  f.take_until(0);
  CHECK(f.batches.size() == 2);
}

TEST_CASE("queues_know_which_rows_have_been_asked_for") {
  Fixture f(1, false);
  f.push(0, 0xffffffffU);
  f.take_until(16);  // the ring now begins in the middle
  for (int tile = 1; tile < 20; ++tile) {
    f.push(32 * tile, 0xffffffffU);
    REQUIRE(f.queue.size() == 48);
    CHECK(f.queue.asked() == 0);
    CHECK(f.queue.unasked(0) == 32 * tile - 16);
    f.queue.ask(20);
    CHECK(f.queue.asked() == 20);
    CHECK(f.queue.unasked(0) == 32 * tile + 4);
    CHECK(f.queue.unasked(27) == 32 * tile + 31);
    f.take_until(32);
    CHECK(f.queue.asked() == 4);
    CHECK(f.queue.unasked(0) == 32 * tile + 4);
    f.queue.ask(100);
    CHECK(f.queue.asked() == 32);
    f.take_until(16);
    CHECK(f.queue.asked() == 16);
    f.take_until(0);
    CHECK(f.queue.asked() == 0);
    f.push(32 * tile, 0xffff0000U);
  }
}

TEST_CASE("waiting_rows_follow_a_change_of_reference_in_one_head_only") {
  Fixture f(3, true);
  f.push(0, 0x15U);
  f.queue.rescale(Group(Team{}), 1, 0.5F);
  f.take_until(0);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(f.out.weight[0][i] == f.in.weight[0][i]);
    CHECK(f.out.weight[1][i] == 0.5F * f.in.weight[1][i]);
    CHECK(f.out.weight[2][i] == f.in.weight[2][i]);
    CHECK(f.out.spread[0][i] == f.in.spread[0][i]);
    CHECK(f.out.spread[1][i] == 0.25F * f.in.spread[1][i]);
  }
}
