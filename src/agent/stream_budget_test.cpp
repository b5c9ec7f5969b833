// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "agent/stream_budget.h"

#include <gtest/gtest.h>

#include <memory>

namespace rezolus {
namespace {

// Listeners whose ticks come as they are granted, and cost what the test says. Time is made up.
class BudgetTest : public testing::Test {
 protected:
  StreamBudget::Member& listen(std::uint64_t interval_ns) {
    members_.push_back(std::make_unique<StreamBudget::Member>(interval_ns));
    due_ns_.push_back(now_ns_ + interval_ns);
    budget_.join(*members_.back(), now_ns_);
    return *members_.back();
  }
  // What all ticks of this time cost, as a share of it.
  double run(std::uint64_t duration_ns) {
    const std::uint64_t end_ns = now_ns_ + duration_ns;
    std::uint64_t spent_ns = 0;
    for (; now_ns_ < end_ns; now_ns_ += kNsPerMs) {
      bool read = false;
      for (std::size_t i = 0; i < members_.size(); ++i) {
        if (now_ns_ < due_ns_[i]) continue;
        due_ns_[i] += members_[i]->granted_ns;
        spent_ns += tick_ns_ + (std::exchange(read, true) ? 0 : reading_ns_);
        budget_.spend(*members_[i], tick_ns_);
        budget_.tick(*members_[i], now_ns_, reading_ns_, now_ns_);
      }
    }
    return static_cast<double>(spent_ns) / static_cast<double>(duration_ns);
  }

  StreamBudget budget_{0.05};
  std::uint64_t now_ns_ = 1'000 * kNsPerSecond;
  std::uint64_t tick_ns_ = 20'000;
  std::uint64_t reading_ns_ = 20'000;
  std::vector<std::unique_ptr<StreamBudget::Member>> members_;
  std::vector<std::uint64_t> due_ns_;
};

TEST_F(BudgetTest, WhatIsWithinTheShareIsGranted) {
  const auto& fast = listen(kNsPerMs);  // 4 %
  const auto& slow = listen(kNsPerSecond);
  EXPECT_NEAR(run(20 * kNsPerSecond), 0.04, 0.001);
  EXPECT_EQ(fast.granted_ns, kNsPerMs);
  EXPECT_EQ(slow.granted_ns, kNsPerSecond);
  EXPECT_NEAR(budget_.share(), 0.04, 0.001);
  EXPECT_EQ(budget_.slowed_count(), 0u);
}

TEST_F(BudgetTest, PastItTheFastestAreSlowedAndNoOthers) {
  const auto& a = listen(kNsPerMs);
  const auto& b = listen(2 * kNsPerMs);
  const auto& slow = listen(kNsPerSecond);
  tick_ns_ = 100'000;  // 17 %
  run(3 * kNsPerSecond);
  EXPECT_LE(run(20 * kNsPerSecond), 0.05);
  EXPECT_GT(run(20 * kNsPerSecond), 0.03) << "and not much more than needed";
  EXPECT_GT(a.granted_ns, kNsPerMs);
  EXPECT_GT(b.granted_ns, 2 * kNsPerMs);
  EXPECT_EQ(b.granted_ns % (2 * kNsPerMs), 0u);
  EXPECT_EQ(slow.granted_ns, kNsPerSecond);
  EXPECT_EQ(budget_.slowed_count(), 2u);
}

TEST_F(BudgetTest, ManyListenersTogetherKeepIt) {
  for (int i = 0; i < 16; ++i) listen(kNsPerMs);
  run(3 * kNsPerSecond);
  EXPECT_LE(run(20 * kNsPerSecond), 0.05);
  EXPECT_EQ(budget_.slowed_count(), 16u);
}

TEST_F(BudgetTest, WhatBecomesCheapIsGrantedAgainAndSettles) {
  const auto& a = listen(kNsPerMs);
  tick_ns_ = 150'000;
  run(4 * kNsPerSecond);
  const std::uint64_t granted_ns = a.granted_ns;
  EXPECT_GT(granted_ns, 2 * kNsPerMs);
  run(60 * kNsPerSecond);
  EXPECT_EQ(a.granted_ns, granted_ns) << "the same load gets the same tick";
  tick_ns_ = 10'000;
  run(30 * kNsPerSecond);
  EXPECT_EQ(a.granted_ns, kNsPerMs);
}

TEST_F(BudgetTest, OneThatLeavesMakesRoom) {
  auto& a = listen(kNsPerMs);
  const auto& b = listen(kNsPerMs);
  tick_ns_ = 25'000;  // 7 % with both, 4.5 % with one
  run(4 * kNsPerSecond);
  EXPECT_GT(b.granted_ns, kNsPerMs);
  budget_.leave(a);
  members_.erase(members_.begin());
  due_ns_.erase(due_ns_.begin());
  tick_ns_ = 15'000;
  run(30 * kNsPerSecond);
  EXPECT_EQ(b.granted_ns, kNsPerMs);
}

TEST_F(BudgetTest, ADearFirstTickIsNoReasonToSlow) {
  const auto& a = listen(kNsPerMs);
  budget_.spend(*members_[0], 150 * kNsPerMs);  // the schema
  run(10 * kNsPerSecond);
  EXPECT_EQ(a.granted_ns, kNsPerMs);
}

TEST(StreamBudget, WithoutALimitNothingIsSlowed) {
  StreamBudget budget(0);
  StreamBudget::Member member(kNsPerMs);
  budget.join(member, 0);
  for (std::uint64_t now_ns = 0; now_ns < 10 * kNsPerSecond; now_ns += kNsPerMs) {
    budget.spend(member, kNsPerMs);
    budget.tick(member, now_ns, 0, now_ns);
  }
  EXPECT_EQ(member.granted_ns, kNsPerMs);
  EXPECT_NEAR(budget.share(), 1, 0.01);
}

}  // namespace
}  // namespace rezolus
