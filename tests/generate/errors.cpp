// Bad files and bad options: one sentence each, and the program's exit code 2.
#include "../examples/files.hpp"
#include "../examples/programs.hpp"
#include "generate/evaluation.hpp"
#include "generate/options.hpp"
#include "generate/texts.hpp"
#include "generate/token_file.hpp"
#include "generate/writing.hpp"
#include "tiny_model.hpp"

#include <doctest/doctest.h>

#include <iterator>

namespace santa::example::test {
namespace {

std::string bytes_of_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// What reading a model says.
std::string refusal(const TinyModel& tiny) {
  const Folder folder;
  tiny.write(folder / "model");
  return sentence_of([&] { read_weights(folder / "model"); });
}

std::string refusal_with(const std::string& key, const std::string& value) {
  TinyModel tiny;
  tiny.metadata[key] = value;
  return refusal(tiny);
}

std::string refusal_of(const std::vector<std::string>& arguments) {
  return sentence_of([&] { parse_generate_options(arguments); });
}

Ran run_program(const Folder& folder, const std::string& arguments) {
  return run_command(folder, std::string(SANTA_GENERATE_PROGRAM) + " " + arguments);
}

TEST_CASE("another_architecture_is_refused") {
  CHECK(contains(refusal_with("architecture", "gpt2"), "its architecture is 'gpt2'; accepted: llama"));
}

TEST_CASE("a_file_without_an_architecture_is_refused") {
  TinyModel tiny;
  tiny.metadata.clear();
  CHECK(contains(refusal(tiny), "not a model made by tools/convert_model.py"));
}

TEST_CASE("sizes_that_are_missing_or_out_of_range_are_refused") {
  TinyModel tiny;
  tiny.metadata.erase("heads");
  CHECK(contains(refusal(tiny), "no 'heads'"));
  CHECK(contains(refusal_with("layers", "0"), "its layers are '0'; accepted: a whole number from 1 to 65533"));
  CHECK(contains(refusal_with("layers", "2x"), "its layers are '2x'"));
  CHECK(contains(refusal_with("kv_heads", "4"), "accepted: a multiple of its kv_heads (4)"));
  CHECK(contains(refusal_with("dim", "12"), "a multiple of 8"));
  CHECK(contains(refusal_with("rope_theta", "inf"), "its rope_theta is 'inf'; accepted: a number from 1e-30 to 1e30"));
  CHECK(contains(refusal_with("dim", "0"), "its dim is '0'; accepted: a whole number from 1 to 256"));
  for (const char* const key : {"width", "hidden", "heads", "kv_heads", "context", "vocabulary"})
    for (const char* const number : {"0", "-8", "", "8.0", "nan", "99999999999999999999"})
      CHECK(contains(refusal_with(key, number), "its " + std::string(key)));
  for (const char* const key : {"rope_theta", "rope_scaling", "rms_epsilon"})
    for (const char* const number :
         {"-1", "0", "nan", "-nan", "inf", "-inf", "1e-31", "1e31", "1e-400", "1e400", "q", ""})
      CHECK(
          contains(refusal_with(key, number), "its " + std::string(key) + " is '" + number + "'; accepted: a number"));
}

TEST_CASE("an_end_that_is_no_token_is_refused") {
  for (const char* const number : {"45", "-2", "5x", "", "2.0", "4294967301"})
    CHECK(contains(refusal_with("end_token", number),
                   "its end_token is '" + std::string(number) + "'; accepted: a whole number from -1 to 44"));
  for (const char* const number : {"-1", "0", "44"}) CHECK(refusal_with("end_token", number).empty());
}

TEST_CASE("a_tensor_of_the_wrong_shape_is_refused") {
  TinyModel tiny;
  tiny.tensors["model.layers.1.mlp.up_proj.weight"] = make_tensor("BF16", {40, 56});
  CHECK(
      contains(refusal(tiny), "tensor 'model.layers.1.mlp.up_proj.weight' is BF16 [40, 56]; accepted: BF16 [56, 40]"));
  tiny = TinyModel();
  tiny.tensors["model.norm.weight"] = make_tensor("F32", {40});
  CHECK(contains(refusal(tiny), "tensor 'model.norm.weight' is F32 [40]; accepted: BF16 [40]"));
  tiny = TinyModel();
  tiny.tensors["lm_head.weight"] = make_tensor("BF16", {44, 40});
  CHECK(contains(refusal(tiny), "'lm_head.weight' is BF16 [44, 40]"));
  tiny = TinyModel();
  tiny.tensors["rope.factors"] = make_tensor("F32", {8});
  CHECK(contains(refusal(tiny), "'rope.factors' is F32 [8]; accepted: F32 [4]"));
}

TEST_CASE("a_vocabulary_of_other_types_is_refused") {
  TinyModel tiny;
  tiny.tensors["vocabulary.bytes"] = make_tensor("F32", {45});
  CHECK(contains(refusal(tiny), "'vocabulary.bytes' is F32 [45]; accepted: U8 [45]"));
  tiny = TinyModel();
  tiny.tensors["vocabulary.bytes"] = make_tensor("U8", {});
  CHECK(contains(refusal(tiny), "'vocabulary.bytes' is U8 []; accepted: U8 [0]"));
  for (const char* const name : {"vocabulary.bytes", "vocabulary.offsets"}) {
    tiny = TinyModel();
    tiny.tensors.erase(name);
    CHECK(contains(refusal(tiny), "tensor '" + std::string(name) + "' is missing"));
  }
  tiny = TinyModel();
  tiny.tensors.erase("vocabulary.bytes");
  tiny.tensors.erase("vocabulary.offsets");
  CHECK(refusal(tiny).empty());
}

TEST_CASE("a_tensor_that_would_be_left_out_is_refused") {
  for (const char* const name : {"model.layers.0.self_attn.q_proj.bias", "model.layers.2.mlp.up_proj.weight", "x"}) {
    TinyModel tiny;
    tiny.tensors[name] = make_tensor("BF16", {40});
    CHECK(contains(refusal(tiny), "tensor '" + std::string(name) +
                                      "' is unknown; accepted: those of a model of 2 layers, without biases"));
  }
  CHECK(contains(refusal_with("layers", "1"), "tensor 'model.layers.1.input_layernorm.weight' is unknown"));
}

TEST_CASE("a_head_that_is_not_what_the_metadata_say_is_refused") {
  for (const bool tied : {true, false}) {
    TinySizes sizes;
    sizes.tied = tied;
    TinyModel tiny(sizes);
    tiny.metadata["tied_head"] = tied ? "true" : "false";
    CHECK(refusal(tiny).empty());
    tiny.metadata["tied_head"] = tied ? "false" : "true";
    CHECK(contains(refusal(tiny), std::string("tensor 'lm_head.weight' is ") + (tied ? "missing" : "there")));
    tiny.metadata["tied_head"] = "maybe";
    CHECK(contains(refusal(tiny), "its tied_head is 'maybe'; accepted: true or false"));
  }
}

TEST_CASE("a_missing_tensor_is_refused") {
  TinyModel tiny;
  tiny.tensors.erase("model.layers.0.self_attn.q_proj.weight");
  CHECK(contains(refusal(tiny), "tensor 'model.layers.0.self_attn.q_proj.weight' is missing"));
}

TEST_CASE("numbers_that_make_no_sense_are_refused") {
  TinyModel tiny;
  tiny.tensors["rope.factors"] = make_tensor("F32", {4});
  CHECK(contains(refusal(tiny), "tensor 'rope.factors' holds 0.000000 as element 0; accepted: positive numbers"));
  tiny = TinyModel();
  tiny.tensors["vocabulary.offsets"].as<std::int64_t>()[45] = 1000;
  CHECK(contains(refusal(tiny), "points outside of the vocabulary's bytes"));
}

TEST_CASE("weights_that_are_not_finite_are_refused") {
  TinySizes sizes;
  sizes.tied = false;
  const TinyModel right(sizes);
  for (const auto& [name, tensor] : right.tensors) {
    if (tensor.dtype != "BF16") continue;
    for (const float bad : {NAN, INFINITY, -INFINITY}) {
      TinyModel tiny = right;
      const auto elements = tiny.tensors[name].as<bfloat16>();
      elements.back() = bfloat16(bad);
      CHECK(contains(refusal(tiny), "tensor '" + name + "' holds " + std::to_string(bad) + " as element " +
                                        std::to_string(elements.size() - 1) + "; accepted: finite numbers"));
    }
  }
  sizes.factors = true;
  for (const float bad : {NAN, INFINITY, -1.F}) {
    TinyModel tiny(sizes);
    tiny.tensors["rope.factors"].as<float>()[3] = bad;
    CHECK(contains(refusal(tiny), "tensor 'rope.factors' holds " + std::to_string(bad) + " as element 3"));
  }
}

TEST_CASE("a_truncated_file_is_refused") {
  const Folder folder;
  TinyModel().write(folder / "model");
  const std::string whole = bytes_of_file(folder / "model");
  for (const std::size_t length : {std::size_t{3}, std::size_t{500}, whole.size() - 1}) {
    write_bytes(folder / "short", whole.substr(0, length));
    const std::string sentence = sentence_of([&] { read_weights(folder / "short"); });
    CHECK(contains(sentence, "short"));
    CHECK(!contains(sentence, "\n"));
  }
}

TEST_CASE("a_text_longer_than_the_cache_is_refused") {
  const Folder folder;
  TinyModel().write(folder / "model");
  const Model model(read_weights(folder / "model"), Texts::chunk);
  Texts texts(model, 1, 8);
  const Tokens prompt = {1, 2, 3, 4, 5};
  CHECK(contains(sentence_of([&] { write(texts, prompt, {.tokens = 5, .policy = {}}); }),
                 "the prompt has 5 tokens and 5 are to be written, but the cache is for 8"));
  CHECK(write(texts, prompt, {.tokens = 4, .policy = {}}).tokens.size() == 4);
  CHECK(contains(sentence_of([&] { texts.step(1); }), "the cache is full"));
  CHECK(contains(sentence_of([&] { texts.prefill(0, Tokens(9, 1)); }), "the cache is for 8"));
  CHECK(contains(sentence_of([&] { write(texts, Tokens(), {}); }), "the prompt has no tokens"));
  CHECK(sentence_of([&] { const Texts longer(model, 1, std::int64_t{1} << 31); }) ==
        "the cache is for 2147483648 tokens; accepted: up to 2147483647");
}

TEST_CASE("a_token_that_the_model_does_not_know_is_refused") {
  const Folder folder;
  TinyModel().write(folder / "model");
  const Model model(read_weights(folder / "model"), Texts::chunk);
  Texts texts(model, 1, 8);
  for (const std::int32_t token : {-1, 45})
    for (const Tokens& prompt : {Tokens{token, 1}, Tokens{1, token}})
      CHECK(contains(sentence_of([&] { write(texts, prompt, {.tokens = 1, .policy = {}}); }),
                     "the token " + std::to_string(token) + "; accepted: 0 to 44"));
}

TEST_CASE("files_of_tokens") {
  const Folder folder;
  write_bytes(folder / "good", "1 2\n\n 3\n");
  CHECK(read_tokens(folder / "good") == Tokens{1, 2, 3});
  write_bytes(folder / "words", "1 two");
  CHECK(contains(sentence_of([&] { read_tokens(folder / "words"); }), "it holds 'two'"));
  write_bytes(folder / "large", "99999999999");
  CHECK(contains(sentence_of([&] { read_tokens(folder / "large"); }), "'99999999999'"));
  write_bytes(folder / "empty", "");
  CHECK(contains(sentence_of([&] { read_tokens(folder / "empty"); }), "no tokens"));
  CHECK(contains(sentence_of([&] { read_tokens(folder / "none"); }), "can't be opened"));
}

TEST_CASE("files_of_passages") {
  const Folder folder;
  const auto sentence = [&](const std::string& text) {
    write_bytes(folder / "passages", text);
    return sentence_of([&] { read_passages(folder / "passages"); });
  };
  CHECK(contains(sentence("{"), "not a file of passages"));
  CHECK(contains(sentence("{}"), "not a file of passages"));
  CHECK(contains(sentence(R"({"passages": []})"), "no passages"));
  const std::string begin = R"({"passages": [{"kind": "text", "name": "a", "context": 3, "tokens": [1, 2, 3], )";
  CHECK(sentence(begin + R"("decoded": 1, "scored": 2}]})").empty());
  CHECK(contains(sentence(begin + R"("decoded": 1, "scored": 3}]})"), "1 <= decoded < scored"));
  CHECK(contains(sentence(begin + R"("decoded": 0, "scored": 2}]})"), "1 <= decoded < scored"));
  // 4294967297 is 1 in 32 bits.
  for (const char* const token : {"4294967297", "2147483648", "-1", "1.5", "true", "\"1\"", "null", "1e999"}) {
    const std::string tokens = std::string("\"tokens\": [1, ") + token + ", 3, 4], \"decoded\": 1, \"scored\": 2}]}";
    const std::string said = sentence(R"({"passages": [{"kind": "text", "name": "a", "context": 4, )" + tokens);
    CHECK(!said.empty());
    if (token != std::string("1e999"))
      CHECK(contains(said, "the token " + std::string(token) + "; accepted: whole numbers from 0 to 2147483647"));
  }
}

TEST_CASE("policies") {
  CHECK(parse_policy("exact").budget == Policy::Budget::all);
  CHECK(parse_policy("share:0.25").number == 0.25);
  CHECK(parse_policy("error:0.05,steered").number == 0.05);
  CHECK(parse_policy("error:0.05,steered").budget == Policy::Budget::error);
  CHECK(parse_policy("error:0.05/0/0.1").layers == std::vector<double>{0.05, 0., 0.1});
  CHECK(parse_policy("share:0.05/0.15").name() == "share:0.05/0.15");
  CHECK(parse_policy("share:0.25,steered").steered);
  CHECK(parse_policy("error:0.05,centered").centered);
  for (const char* const name :
       {"exact", "share:0.25", "share:0.25,steered", "error:0.05", "error:0.05,centered", "share:0.25,steered,centered",
        "ratio:0.1", "ratio:0.1,steered", "ratio:0.1,steered,weighted,centered", "share:0.1,int4",
        "ratio:0.1,steered,int4", "error:0.1,centered,int4", "clusters:0.125"})
    CHECK(parse_policy(name).name() == name);
  for (const char* const name : {"",
                                 "share",
                                 "share:",
                                 "share:0",
                                 "share:1.5",
                                 "share:0.1x",
                                 "share:0.1/",
                                 "share:0.1//0.2",
                                 "share:-0.1",
                                 "rows:0.1",
                                 "steered",
                                 "share:0.1,centred",
                                 "ratio:0.1/0.2",
                                 "share:0.1,weighted",
                                 "error:0.1,weighted",
                                 "ratio:0.1,weighted,steered",
                                 "int4:0.1",
                                 "share:0.1/0.2,int4",
                                 "clusters:0.1,steered",
                                 "clusters:0.1,int4",
                                 "clusters:0",
                                 "share:0.1,int4,steered"})
    CHECK(contains(sentence_of([&] { parse_policy(name); }), "is unknown; accepted: exact, share:S"));
}

TEST_CASE("options") {
  CHECK(contains(refusal_of({}), "--model is needed"));
  CHECK(contains(refusal_of({"--model", "m"}), "--prompt-tokens or --evaluate is needed"));
  CHECK(contains(refusal_of({"--model", "m", "--prompt-tokens", "p", "--method", "best"}), "best"));
  CHECK(contains(refusal_of({"--model", "m", "--prompt-tokens", "p", "--rows", "0"}),
                 "--rows is '0'; accepted: a number above 0"));
  CHECK(contains(refusal_of({"--model", "m", "--prompt-tokens", "p", "--rows", "0.1", "--target-error", "0.1"}),
                 "--rows and --target-error exclude each other"));
  CHECK(contains(refusal_of({"--model", "m", "--prompt-tokens", "p", "--method", "exact", "--compare"}),
                 "--compare needs a method other than exact"));
  CHECK(contains(refusal_of({"--model", "m", "--prompt-tokens", "p", "--seeds", "4"}), "--seeds needs --evaluate"));
  CHECK(contains(refusal_of({"--model", "m", "--evaluate", "p", "--policy", "ratio:0.1,weighted"}),
                 "--weights and ,weighted policies need each other"));
  CHECK(contains(refusal_of({"--model", "m", "--evaluate", "p", "--policy", "ratio:0.1", "--weights", "w"}),
                 "--weights and ,weighted policies need each other"));
  CHECK(contains(refusal_of({"--model", "m", "--evaluate", "p", "--calibrate", "p"}),
                 "--calibrate and --evaluate exclude each other"));
  CHECK(contains(refusal_of({"--model", "m", "--calibrate", "p", "--seeds", "2"}),
                 "--calibrate and --seeds exclude each other"));
  const auto refusal_of_number = [](const std::string& name, const std::string& text) {
    return refusal_of({"--model", "m", "--prompt-tokens", "p", name, text});
  };
  for (const char* const bad : {"", "abc", "0x10", "+5", " 5", "5 ", "1e1", "-1", "1.5", "nan", "inf", "0",
                                "18446744073709551616", "99999999999999999999999"})
    for (const char* const name : {"--tokens", "--cache", "--seed", "--seeds"}) {
      if (std::string(name) == "--seed" && std::string(bad) == "0") continue;
      CAPTURE(name);
      CHECK(contains(refusal_of_number(name, bad),
                     std::string(name) + " is " + quote(bad) + "; accepted: a whole number from "));
    }
  for (const char* const bad : {"", "abc", "0x1p-3", "+1", " 1", "1x", "-1", "nan", "inf", "1e400", "1e-300"})
    CHECK(refusal_of_number("--temperature", bad) ==
          "--temperature is " + quote(bad) + "; accepted: 0, or a number from 1e-6 to 1e6");
  for (const char* const bad :
       {"", "abc", "0", "1", "1.5", "100", "-0.1", "nan", "inf", "0x1p-3", "0.1x", "0.1,steered"})
    for (const char* const name : {"--rows", "--rows-of-layers", "--target-error"})
      CHECK(contains(refusal_of_number(name, bad),
                     std::string(name) + " is " + quote(bad) + "; accepted: a number above 0"));
  const auto large = parse_generate_options({"--model", "m", "--prompt-tokens", "p", "--seed", "18446744073709551615",
                                             "--temperature", "0.7", "--cache", "010", "--target-error", "0.05"});
  CHECK(large.seed == 18446744073709551615U);
  CHECK(large.temperature == 0.7);
  CHECK(large.cache == 10);
  CHECK(large.policy.name() == "error:0.05");
  const auto together =
      parse_generate_options({"--model", "m", "--prompt-tokens", "p", "--rows", "0.1", "--one-budget", "--steered"});
  CHECK(together.policy.name() == "ratio:0.1,steered");
  for (const auto& [name, numbers] :
       {std::pair("--target-error", "0.1"), {"--rows-of-layers", "0.1"}, {"--rows", "0.1/0.2"}})
    CHECK(contains(refusal_of({"--model", "m", "--prompt-tokens", "p", "--one-budget", name, numbers}),
                   "--one-budget takes one number of --rows"));
  const auto options = parse_generate_options({"--model", "m", "--prompt-tokens", "p", "--rows-of-layers", "0.1/0"});
  CHECK(options.policy.budget == Policy::Budget::share);
  CHECK(options.policy.layers == std::vector<double>{0.1, 0.});
}

TEST_CASE("options_that_nothing_asked_for_reads_are_refused") {
  using Words = std::vector<std::string>;
  const auto refusal = [](Words arguments, const Words& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return refusal_of(arguments);
  };
  const Words writing = {"--model", "m", "--prompt-tokens", "p"};
  const std::vector<Words> of_method = {
      {"--rows", "0.1"}, {"--rows-of-layers", "0.1/0.2"}, {"--target-error", "0.1"}, {"--one-budget"}, {"--steered"},
      {"--centered"}};
  const std::vector<Words> of_writing = {{"--method", "exact"}, {"--tokens", "5"},        {"--cache", "9"},
                                         {"--compare"},         {"--temperature", "0.5"}, {"--lossless"}};
  for (Words option : of_method) {
    const std::string name = option.front();
    CAPTURE(name);
    CHECK(refusal(writing, option).empty());
    CHECK(contains(refusal({"--model", "m", "--evaluate", "p"}, option), "--evaluate and " + name + " exclude"));
    CHECK(contains(refusal({"--model", "m", "--calibrate", "p"}, option), "--calibrate and " + name + " exclude"));
    Words with_lossless = option;
    with_lossless.insert(with_lossless.end(), {"--lossless", "--compare"});
    CHECK(refusal(writing, with_lossless).empty());
    with_lossless.pop_back();
    CHECK(contains(refusal(writing, with_lossless), "--lossless with " + name + " needs --compare"));
    option.insert(option.end(), {"--method", "exact"});
    CHECK(contains(refusal(writing, option), name + " needs a method other than exact"));
  }
  CHECK(contains(refusal(writing, {"--method", "exact", "--rows", "abc"}), "--rows needs a method other than exact"));
  for (const Words& option : of_writing)
    for (const char* const one : {"--evaluate", "--calibrate"})
      CHECK(contains(refusal({"--model", "m", one, "p"}, option),
                     std::string(one) + " and " + option.front() + " exclude each other"));
  CHECK(
      contains(refusal(writing, {"--lossless", "--method", "mass-unit"}), "--lossless with --method needs --compare"));
  CHECK(refusal({"--model", "m", "--evaluate", "p"}, {"--seed", "3", "--seeds", "2"}).empty());
  CHECK(refusal({"--model", "m", "--calibrate", "p"}, {"--seed", "3", "--output", "o"}).empty());
}

TEST_CASE("the_program_ends_with_2_and_one_sentence") {
  const Folder folder;
  TinyModel tiny;
  tiny.write(folder / "model");
  write_bytes(folder / "prompt", "1 2 3 4");
  const std::string model = "--model " + (folder / "model").string();
  const std::string prompt = " --prompt-tokens " + (folder / "prompt").string();
  const Ran good = run_program(folder, model + prompt + " --tokens 3 --method exact");
  CHECK(good.code == 0);
  CHECK(contains(good.said, "tokens "));
  const Ran compared = run_program(folder, model + prompt + " --tokens 3 --compare");
  CHECK(compared.code == 0);
  CHECK(contains(compared.said, "share:0.1"));

  const auto check_refused = [&](const std::string& arguments, const char* part) {
    const Ran ran = run_program(folder, arguments);
    CHECK(ran.code == 2);
    CHECK(contains(ran.said, part));
    CHECK(std::count(ran.said.begin(), ran.said.end(), '\n') == 1);
  };
  check_refused("--model " + (folder / "none").string() + prompt, "no such file");
  check_refused(model + prompt + " --cache 5", "the cache is for 5");
  check_refused(model + prompt + " --rows-of-layers 0.1/0.2/0.3", "one for each of the 2 layers");
  check_refused(model + prompt + " --frobnicate", "--frobnicate");
  check_refused(model + prompt + " --seed 18446744073709551616", "--seed is '18446744073709551616'; accepted: ");
  check_refused(model + prompt + " --kokkos-num-threads=abc", "--kokkos-num-threads is 'abc'; accepted: ");
  write_bytes(folder / "short", bytes_of_file(folder / "model").substr(0, 4000));
  check_refused("--model " + (folder / "short").string() + prompt, "short");
  write_bytes(folder / "foreign", "GGUF and so on, of another kind");
  check_refused("--model " + (folder / "foreign").string() + prompt, "not a safetensors file");
  TinyModel hollow;
  hollow.tensors["model.norm.weight"].as<bfloat16>()[7] = bfloat16(NAN);
  hollow.write(folder / "hollow");
  check_refused("--model " + (folder / "hollow").string() + prompt, "'model.norm.weight' holds nan as element 7");
  hollow = TinyModel();
  hollow.metadata["rms_epsilon"] = "nan";
  hollow.write(folder / "hollow");
  check_refused("--model " + (folder / "hollow").string() + prompt, "its rms_epsilon is 'nan'");
  write_bytes(folder / "beyond", "1 2 45");
  check_refused(model + " --prompt-tokens " + (folder / "beyond").string(), "the token 45; accepted: 0 to 44");
  write_bytes(folder / "passages", R"({"passages": [{"kind": "text", "name": "a", "context": 4, "tokens": [1, 2, 3, 4],
    "decoded": 1, "scored": 2}, {"kind": "text", "name": "b", "context": 4, "tokens": [1, 2, 3, 45], "decoded": 1,
    "scored": 2}]})");
  check_refused(model + " --evaluate " + (folder / "passages").string(), "the token 45; accepted: 0 to 44");
  std::string tokens = "1";
  for (int i = 1; i < 516; ++i) tokens += ", " + std::to_string(i % 45);
  write_bytes(folder / "long", R"({"passages": [{"kind": "text", "name": "a", "context": 516, "decoded": 512,
    "scored": 513, "tokens": [)" + tokens +
                                   "]}]}");
  const std::string passages = (folder / "long").string();
  for (const std::string command : {" --evaluate ", " --calibrate "}) {
    check_refused(model + command + passages + " --output /dev/full", "/dev/full: the file can't be written");
    check_refused(model + command + passages + " --output " + passages, "--output would overwrite ");
    check_refused(model + command + passages + " --output " + (folder / "none/file").string(), "can't be written");
    CHECK(run_program(folder, model + command + passages + " --output " + (folder / "scores").string()).code == 0);
    CHECK(!contains(bytes_of_file(folder / "scores"), "null"));
  }
  tiny.metadata["architecture"] = "mamba";
  tiny.write(folder / "other");
  check_refused("--model " + (folder / "other").string() + prompt, "its architecture is 'mamba'");
}

}  // namespace
}  // namespace santa::example::test
