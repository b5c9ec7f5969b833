// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once
// The body of a compressed segment: one zstd frame, made and read piece by piece so that neither side
// ever holds a segment in memory.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

namespace rezolus {

// What a reader must hold to read back, 2^n bytes. A body that asks for more is damaged.
inline constexpr int kSegmentWindowLogMax = 21;

// Compresses one body after another. Not thread safe.
class Deflater {
 public:
  Deflater();
  // Takes bytes; appends to out what is ready.
  Result<void> add(std::string_view bytes, std::string& out) { return put(bytes, false, out); }
  // Ends the body, so that the next add() begins another.
  Result<void> finish(std::string& out) { return put({}, true, out); }
  // Forgets a body that was begun.
  void reset();

 private:
  Result<void> put(std::string_view bytes, bool end, std::string& out);
  struct Free {
    void operator()(ZSTD_CCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_CCtx_s, Free> context_;
};

// Reads one body after another. Not thread safe.
class Inflater {
 public:
  enum class Step { kMore, kEnd, kDamage };

  Inflater();
  // Takes what it needs from the front of in and appends at most 128 KiB to out. kMore: there is more
  // to come, from in or from what follows it; kEnd: the body ended.
  Step step(std::string_view& in, std::string& out);
  // A body begins.
  void reset();

 private:
  struct Free {
    void operator()(ZSTD_DCtx_s* context) const;
  };
  std::unique_ptr<ZSTD_DCtx_s, Free> context_;
};

}  // namespace rezolus
