# SPDX-License-Identifier: Apache-2.0 OR MIT
# What `cmake --install` installs: programs, manual pages and completion scripts.
include(GNUInstallDirs)
install(TARGETS rezolus)
if(TARGET rezolus-recording)
  # Arrow stays where scripts/setup unpacked it, unless it is the system's.
  if(PYARROW_ARROW)
    set_target_properties(rezolus-recording PROPERTIES INSTALL_RPATH ${PYARROW_DIR})
  endif()
  install(TARGETS rezolus-recording)
endif()
install(DIRECTORY ${REZOLUS_MANUAL_DIR}/man/man1 DESTINATION ${CMAKE_INSTALL_MANDIR})
install(DIRECTORY ${REZOLUS_MANUAL_DIR}/bash-completion ${REZOLUS_MANUAL_DIR}/zsh ${REZOLUS_MANUAL_DIR}/fish
  DESTINATION ${CMAKE_INSTALL_DATADIR})
