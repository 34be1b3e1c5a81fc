// Files for the tests of the examples: whole ones and broken ones.
#pragma once

#include "decode/error.hpp"
#include "decode/safetensors.hpp"

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace santa::example::test {

/// A folder of its own, removed at the end.
class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "santa_XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
    _path = name;
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(_path, ignored);
  }

  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return _path / name; }

 private:
  std::filesystem::path _path;
};

inline void write_bytes(const std::filesystem::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string length_bytes(std::uint64_t length) {
  std::string bytes;
  for (unsigned i = 0; i < 8; ++i) bytes += static_cast<char>(length >> (8 * i) & 0xffU);
  return bytes;
}

/// A file of this header and this many bytes of data.
inline std::string file_of(const std::string& header, std::size_t data_bytes) {
  return length_bytes(header.size()) + header + std::string(data_bytes, '\0');
}

/// The sentence of the UserError that f throws; empty where it throws none.
template <class F>
std::string sentence_of(const F& f) {
  try {
    f();
  } catch (const UserError& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

template <class T>
Tensor tensor_of(const std::string& dtype, const std::vector<std::int64_t>& shape, const std::vector<T>& elements) {
  Tensor tensor = make_tensor(dtype, shape);
  std::memcpy(tensor.data.data(), elements.data(), tensor.data.size());
  return tensor;
}

/// A capture that is right: 2 positions, 4 heads on 2 kv heads of dim 8, 3 keys, F32, all ones.
inline std::map<std::string, Tensor> small_capture(const std::vector<int>& layers = {0}) {
  std::map<std::string, Tensor> tensors;
  for (const int layer : layers) {
    const std::string prefix = "layers." + std::to_string(layer) + ".";
    tensors[prefix + "query"] = tensor_of("F32", {2, 4, 8}, std::vector<float>(64, 1.F));
    tensors[prefix + "key"] = tensor_of("F32", {3, 2, 8}, std::vector<float>(48, 1.F));
    tensors[prefix + "value"] = tensor_of("F32", {3, 2, 8}, std::vector<float>(48, 1.F));
    tensors[prefix + "position"] = tensor_of("I64", {2}, std::vector<std::int64_t>{1, 2});
  }
  return tensors;
}

}  // namespace santa::example::test
