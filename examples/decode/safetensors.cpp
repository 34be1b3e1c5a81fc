#include "decode/safetensors.hpp"

#include "decode/error.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <system_error>
#include <utility>

namespace santa::example {
namespace {

constexpr std::uint64_t length_bytes = 8;
constexpr std::uint64_t most_header_bytes = 100'000'000;  // the format's own limit

std::uint64_t size_of(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    throw UserError(error && error != std::errc::no_such_file_or_directory ? error.message() : "no such file");
  // A pipe or a device could block or never end.
  if (!std::filesystem::is_regular_file(status)) throw UserError("not a regular file");
  const auto size = std::filesystem::file_size(path, error);
  if (error) throw UserError(error.message());
  return size;
}

void read_exactly(std::ifstream& stream, void* data, std::uint64_t bytes) {
  if (!stream.read(static_cast<char*>(data), static_cast<std::streamsize>(bytes)))
    throw UserError("the file can't be read to its end");
}

std::uint64_t little_endian(const unsigned char (&bytes)[length_bytes]) {
  std::uint64_t value = 0;
  for (std::size_t i = length_bytes; i-- > 0;) value = value << 8 | bytes[i];
  return value;
}

/// Names in the order of their data: largest elements first.
std::vector<std::string> data_order(const std::map<std::string, Tensor>& tensors) {
  std::vector<std::pair<std::uint64_t, std::string>> order;
  for (const auto& [name, tensor] : tensors) order.emplace_back(bytes_of(tensor.dtype, {1}), name);
  std::stable_sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<std::string> names;
  for (auto& [bytes, name] : order) names.push_back(std::move(name));
  return names;
}

std::string header_text(const std::map<std::string, Tensor>& tensors, const std::vector<std::string>& names,
                        const std::map<std::string, std::string>& metadata) {
  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::uint64_t begin = 0;
  for (const std::string& name : names) {
    const Tensor& tensor = tensors.at(name);
    const std::uint64_t end = begin + tensor.data.size();
    header[name] = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
    begin = end;
  }
  std::string text = header.dump();
  text.append((length_bytes - text.size() % length_bytes) % length_bytes, ' ');
  return text;
}

}  // namespace

Tensor make_tensor(const std::string& dtype, const std::vector<std::int64_t>& shape) {
  return {dtype, shape, std::vector<std::byte>(bytes_of(dtype, shape))};
}

SafetensorsFile::SafetensorsFile(std::filesystem::path path) : _path(std::move(path)) {
  const std::uint64_t file_bytes = size_of(_path);
  std::ifstream stream(_path, std::ios::binary);
  if (!stream) throw UserError("the file can't be opened");
  if (file_bytes < length_bytes)
    throw UserError("not a safetensors file: it has " + std::to_string(file_bytes) +
                    " bytes, less than the 8 of a header's length");
  unsigned char length[length_bytes];
  read_exactly(stream, length, length_bytes);
  const std::uint64_t header_bytes = little_endian(length);
  if (header_bytes > most_header_bytes)
    throw UserError("not a safetensors file: its header would have " + std::to_string(header_bytes) +
                    " bytes, more than 100 MB");
  if (header_bytes > file_bytes - length_bytes)
    throw UserError("the header has " + std::to_string(header_bytes) +
                    " bytes, but the file ends before: it is truncated or not safetensors");
  std::string text(header_bytes, '\0');
  read_exactly(stream, text.data(), header_bytes);
  _data_start = length_bytes + header_bytes;
  _header = parse_safetensors_header(text, file_bytes - _data_start);
}

const TensorInfo& SafetensorsFile::info(const std::string& name) const {
  const auto found = _header.tensors.find(name);
  if (found == _header.tensors.end()) throw UserError("tensor " + quote(name) + " is missing");
  return found->second;
}

Tensor SafetensorsFile::read(const std::string& name) const {
  const TensorInfo& from = info(name);
  Tensor tensor{from.dtype, from.shape, std::vector<std::byte>(from.end - from.begin)};
  std::ifstream stream(_path, std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(_data_start + from.begin));
  read_exactly(stream, tensor.data.data(), tensor.data.size());
  return tensor;
}

void write_safetensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::vector<std::string> names = data_order(tensors);
  const std::string header = header_text(tensors, names, metadata);
  std::ofstream stream(path, std::ios::binary);
  for (std::uint64_t i = 0; i < length_bytes; ++i) stream.put(static_cast<char>(header.size() >> 8 * i & 0xffU));
  stream << header;
  for (const std::string& name : names) {
    const std::vector<std::byte>& data = tensors.at(name).data;
    stream.write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
  }
  stream.close();
  if (!stream) throw UserError(printable(path.string(), 300) + ": the file can't be written");
}

}  // namespace santa::example
