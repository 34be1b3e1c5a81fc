#include "accuracy/cases.hpp"

#include "decode/error.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>

namespace santa::accuracy {
namespace {

using Json = nlohmann::ordered_json;

/// To so many significant digits: what more there are is noise.
double short_number(double x, int digits) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.*g", digits, x);
  return std::strtod(text.data(), nullptr);
}

Json to_json(const Case& c) {
  Json json = {{"context", c.context},
               {"text", c.text},
               {"layer", c.layer},
               {"head", c.head},
               {"method", c.method},
               {"budget", c.budget},
               {"rows_read_fraction", short_number(c.rows_read_fraction, 4)},
               {"relative_error", short_number(c.outcome.error, 4)},
               {"error_se", short_number(c.outcome.standard_error, 2)},
               {"one_minus_cosine", short_number(1. - c.outcome.cosine, 3)},
               {"bias_z", short_number(c.outcome.bias_z, 3)},
               {"parameter", short_number(c.parameter, 5)},
               {"seeds", c.seeds}};
  if (c.bytes_share) json["bytes_share"] = short_number(*c.bytes_share, 4);
  return json;
}

Json to_json(const LeftOut& c) {
  return {{"context", c.context}, {"text", c.text},     {"layer", c.layer},
          {"kv_head", c.kv_head}, {"method", c.method}, {"budget", c.budget}};
}

template <class List>
void write_list(std::ostream& stream, const char* name, const List& list) {
  stream << "\"" << name << "\": [";
  const char* before = "\n";
  for (const auto& entry : list) {
    stream << before << to_json(entry).dump(-1, ' ', false, Json::error_handler_t::replace);
    before = ",\n";
  }
  stream << "\n]";
}

}  // namespace

void write_cases(const std::filesystem::path& path, const Cases& cases) {
  std::ofstream stream(path);
  stream << "{\n\"model\": " << Json(cases.model).dump() << ",\n";
  write_list(stream, "cases", cases.cases);
  stream << ",\n";
  write_list(stream, "left_out", cases.left_out);
  stream << "\n}\n";
  stream.close();
  if (!stream) throw example::UserError(example::printable(path.string(), 300) + ": the file can't be written");
}

}  // namespace santa::accuracy
