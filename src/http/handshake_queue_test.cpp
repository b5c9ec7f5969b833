// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "http/handshake_queue.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"

namespace rezolus::http {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class HandshakeQueueTest : public testing::Test {
 protected:
  void add(int owner, const std::string& peer) {
    queue_.add(
        owners_ + owner, peer, [this, owner] { begun_.push_back(owner); },
        [this, owner] { refused_.push_back(owner); }, now_ns_);
  }
  std::vector<int> begun() { return std::exchange(begun_, {}); }

  // After so many ms.
  std::vector<int> run(std::uint64_t ms) {
    now_ns_ += ms * kNsPerMs;
    queue_.run(now_ns_);
    return begun();
  }

  HandshakeQueue queue_{4, 3};  // one each 250 ms
  std::uint64_t now_ns_ = 1000 * kNsPerSecond;
  char owners_[100] = {};
  std::vector<int> begun_;
  std::vector<int> refused_;
};

TEST_F(HandshakeQueueTest, SoManyBeginAtOnceAndThenInTurn) {
  for (int i = 0; i < 6; ++i) add(i, "a");
  EXPECT_THAT(begun(), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(queue_.run(now_ns_), 250 * kNsPerMs + 1);
  EXPECT_THAT(run(249), IsEmpty());
  EXPECT_THAT(run(2), ElementsAre(4));
  EXPECT_THAT(run(250), ElementsAre(5));
  EXPECT_EQ(queue_.run(now_ns_), std::nullopt);
  run(60'000);
  for (int i = 10; i < 16; ++i) add(i, "a");
  EXPECT_EQ(begun().size(), 4u) << "however long the pause";
}

TEST_F(HandshakeQueueTest, WhoHadLeastGoesFirst) {
  for (int i = 0; i < 6; ++i) add(i, "flood");
  add(10, "b");
  begun();
  EXPECT_THAT(run(250), ElementsAre(10));
  EXPECT_THAT(run(250), ElementsAre(4));
}

TEST_F(HandshakeQueueTest, BeyondSoManyWhoHasMostIsRefused) {
  for (int i = 0; i < 6; ++i) add(i, "flood");
  add(10, "b");
  EXPECT_THAT(refused_, IsEmpty());
  add(6, "flood");
  EXPECT_THAT(refused_, ElementsAre(6));
  add(11, "c");
  EXPECT_THAT(refused_, ElementsAre(6, 5));
}

TEST_F(HandshakeQueueTest, WhoIsGoneTakesNoTurn) {
  for (int i = 0; i < 6; ++i) add(i, "a");
  begun();
  EXPECT_TRUE(queue_.remove(owners_ + 4));
  EXPECT_FALSE(queue_.remove(owners_ + 4));
  EXPECT_FALSE(queue_.remove(owners_ + 0)) << "it has begun";
  EXPECT_THAT(run(250), ElementsAre(5));
}

}  // namespace
}  // namespace rezolus::http
