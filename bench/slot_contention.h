/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0 OR MIT) */
#pragma once
/* Events in one run of a program, so that starting it is little of what is measured. */
#define EVENTS_PER_RUN 16
