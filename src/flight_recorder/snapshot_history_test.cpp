// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "flight_recorder/snapshot_history.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "base/fd.h"
#include "flight_recorder/flight_testing.h"

namespace rezolus {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using enum SnapshotHistory::Kind;

constexpr std::uint64_t kHour = 3600 * kNsPerSecond;
constexpr std::uint64_t kNow = 1'700'000'000 * kNsPerSecond;

class FlightSnapshotHistory : public FlightFolderTest {
 protected:
  [[nodiscard]] SnapshotHistory open() const { return {path, 24 * kHour}; }

  std::string path = root_ + "/history.json";
};

TEST_F(FlightSnapshotHistory, IsThereAfterARestart) {
  {
    SnapshotHistory history = open();
    EXPECT_THAT(history.names(kRule), IsEmpty());
    history.note(kRule, "a", kNow);
    history.note(kRule, "a", kNow + kHour);
    history.note(kAlert, "a", kNow + 2 * kHour);
  }
  const SnapshotHistory history = open();
  EXPECT_EQ(history.problem(), "");
  EXPECT_THAT(history.names(kRule), ElementsAre("a"));
  EXPECT_THAT(history.ages(kRule, "a", kNow + 3 * kHour), ElementsAre(3 * kHour, 2 * kHour));
  EXPECT_THAT(history.ages(kAlert, "a", kNow + 3 * kHour), ElementsAre(kHour));
  EXPECT_THAT(history.ages(kAlert, "b", kNow), IsEmpty());
}

TEST_F(FlightSnapshotHistory, ForgetsWhatIsOfNoUse) {
  SnapshotHistory history = open();
  history.note(kRule, "old", kNow);
  history.note(kRule, "new", kNow + 24 * kHour);
  EXPECT_THAT(history.names(kRule), ElementsAre("new"));
  EXPECT_THAT(history.ages(kRule, "new", kNow + 48 * kHour), IsEmpty());
}

TEST_F(FlightSnapshotHistory, AClockThatWasSetBackMakesNothingOlder) {
  SnapshotHistory history = open();
  history.note(kRule, "a", kNow);
  EXPECT_THAT(history.ages(kRule, "a", kNow - kHour), ElementsAre(0u));
}

TEST_F(FlightSnapshotHistory, ADamagedFileIsBegunAnew) {
  for (const char* text : {"", "{", "[]", R"({"rules": 1})", R"({"rules": {"a": 1}})",
                           R"({"rules": {"a": [-1]}})", R"({"rules": {"a": [[[[[[1]]]]]]}})"}) {
    ASSERT_TRUE(write_file_atomic(path, text));
    SnapshotHistory history = open();
    EXPECT_THAT(history.problem(), HasSubstr("history.json")) << text;
    EXPECT_THAT(history.names(kRule), IsEmpty()) << text;
    history.note(kRule, "b", kNow);
    EXPECT_THAT(open().names(kRule), ElementsAre("b"));
  }
}

TEST_F(FlightSnapshotHistory, IsBounded) {
  std::string many = R"({"alerts": {)";
  for (std::size_t i = 0; i < SnapshotHistory::kNamesMax; ++i) {
    many += fmt::format("{}\"{}\": [{}]", i == 0 ? "" : ", ", i, kNow + i);
  }
  ASSERT_TRUE(write_file_atomic(path, many + "}}"));
  SnapshotHistory full = open();
  EXPECT_EQ(full.names(kAlert).size(), SnapshotHistory::kNamesMax);
  full.note(kAlert, "one more", kNow + kHour);
  EXPECT_EQ(full.names(kAlert).size(), SnapshotHistory::kNamesMax);
  EXPECT_THAT(full.ages(kAlert, "0", kNow), IsEmpty()) << "the oldest";
  EXPECT_THAT(full.ages(kAlert, "one more", kNow + kHour), ElementsAre(0u));
}

TEST_F(FlightSnapshotHistory, AFolderThatIsGoneIsAnError) {
  SnapshotHistory history = open();
  std::filesystem::remove_all(root_);
  history.note(kRule, "a", kNow);
  EXPECT_THAT(history.problem(), HasSubstr("history.json"));
  EXPECT_THAT(history.ages(kRule, "a", kNow), ElementsAre(0u)) << "of this life";
}

}  // namespace
}  // namespace rezolus
