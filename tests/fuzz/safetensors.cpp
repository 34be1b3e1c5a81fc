// A libFuzzer target: any bytes, read as a capture, give a capture or one sentence.
#include "decode/capture.hpp"
#include "decode/error.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

void require(bool good, const char* what) {
  if (good) return;
  std::perror(what);
  std::abort();
}

/// A file in memory, by the name that opens it again.
class MemoryFile {
 public:
  MemoryFile() : _descriptor(memfd_create("santa_fuzz", 0)) { require(_descriptor >= 0, "memfd_create"); }

  void write(std::string_view bytes) const {
    require(ftruncate(_descriptor, 0) == 0, "ftruncate");
    const auto written = pwrite(_descriptor, bytes.data(), bytes.size(), 0);
    require(written == static_cast<ssize_t>(bytes.size()), "pwrite");
  }
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(_descriptor); }

 private:
  int _descriptor;
};

void read(std::string_view bytes) {
  static const MemoryFile file;
  file.write(bytes);
  try {
    (void)santa::example::read_capture(file.path());
  } catch (const santa::example::UserError& error) {
    const std::string_view sentence = error.what();
    require(!sentence.empty() && sentence.size() < 1000 && sentence.find('\n') == std::string_view::npos, "sentence");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  read(bytes);
  // Few mutations keep a header's length right: once more with the length put before, up to a NUL or the end.
  const std::size_t header_bytes = std::min(bytes.find('\0'), size);
  std::string whole;
  for (unsigned i = 0; i < 8; ++i) whole += static_cast<char>(header_bytes >> (8 * i) & 0xffU);
  read(whole + bytes);
  return 0;
}
