// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recording/log/log_compression.h"

#include <zstd.h>

namespace rezolus {
namespace {

// Frames are deltas already: higher levels cost several times as much for a few per cent.
constexpr int kLevel = 3;
constexpr std::size_t kPieceSizeBytes = 128u << 10;

}  // namespace

void Deflater::Free::operator()(ZSTD_CCtx_s* context) const { ::ZSTD_freeCCtx(context); }
void Inflater::Free::operator()(ZSTD_DCtx_s* context) const { ::ZSTD_freeDCtx(context); }

Deflater::Deflater() : context_(::ZSTD_createCCtx()) {
  CHECK(context_ != nullptr, "zstd gives a context");
  ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
  ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_windowLog, kSegmentWindowLogMax);
  ::ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
}

void Deflater::reset() { ::ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_only); }

Result<void> Deflater::put(std::string_view bytes, bool end, std::string& out) {
  ZSTD_inBuffer input{bytes.data(), bytes.size(), 0};
  while (true) {
    const std::size_t used = out.size();
    out.resize(used + kPieceSizeBytes);
    ZSTD_outBuffer output{out.data() + used, kPieceSizeBytes, 0};
    const std::size_t left =
        ::ZSTD_compressStream2(context_.get(), &output, &input, end ? ZSTD_e_end : ZSTD_e_continue);
    out.resize(used + output.pos);
    if (::ZSTD_isError(left) != 0) {
      return error("compress segment: {}", ::ZSTD_getErrorName(left));
    }
    if (end ? left == 0 : input.pos == input.size) return {};
  }
}

Inflater::Inflater() : context_(::ZSTD_createDCtx()) {
  CHECK(context_ != nullptr, "zstd gives a context");
  ::ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kSegmentWindowLogMax);
}

void Inflater::reset() { ::ZSTD_DCtx_reset(context_.get(), ZSTD_reset_session_only); }

Inflater::Step Inflater::step(std::string_view& in, std::string& out) {
  const std::size_t used = out.size();
  out.resize(used + kPieceSizeBytes);
  ZSTD_inBuffer input{in.data(), in.size(), 0};
  ZSTD_outBuffer output{out.data() + used, kPieceSizeBytes, 0};
  const std::size_t left = ::ZSTD_decompressStream(context_.get(), &output, &input);
  out.resize(used + output.pos);
  in.remove_prefix(input.pos);
  if (::ZSTD_isError(left) != 0) return Step::kDamage;
  return left == 0 ? Step::kEnd : Step::kMore;
}

}  // namespace rezolus
