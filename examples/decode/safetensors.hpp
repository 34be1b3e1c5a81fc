// Tensors in a safetensors file: the header's length in 8 bytes, a JSON header, the data.
#pragma once

#include "decode/safetensors_header.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

namespace santa::example {

/// A dense row-major tensor; `dtype` is the format's name of the element type.
struct Tensor {
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;

  /// The data as elements of type T, which the caller knows from `dtype`.
  template <class T>
  [[nodiscard]] std::span<const T> as() const& {
    return {reinterpret_cast<const T*>(data.data()), data.size() / sizeof(T)};
  }
  template <class T>
  [[nodiscard]] std::span<T> as() & {
    return {reinterpret_cast<T*>(data.data()), data.size() / sizeof(T)};
  }
  template <class T>
  std::span<T> as() && = delete;  // the data would be gone
};

/// A tensor of this type and shape, all zero.
Tensor make_tensor(const std::string& dtype, const std::vector<std::int64_t>& shape);

/// A file, opened and checked; data is read when asked for.
/// Errors: UserError, one sentence without the file's name.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(std::filesystem::path path);

  [[nodiscard]] const std::map<std::string, TensorInfo>& tensors() const { return _header.tensors; }
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return _header.metadata; }
  /// What the header says about a tensor that must be there.
  [[nodiscard]] const TensorInfo& info(const std::string& name) const;
  [[nodiscard]] Tensor read(const std::string& name) const;

 private:
  std::filesystem::path _path;
  std::uint64_t _data_start = 0;
  SafetensorsHeader _header;
};

/// Writes a file. Data is laid out by size of the element, largest first: every tensor is aligned to its elements.
/// Errors: UserError where the file can't be written.
void write_safetensors(const std::filesystem::path& path, const std::map<std::string, Tensor>& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace santa::example
