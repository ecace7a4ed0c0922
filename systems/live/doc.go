// Package live puts another generation in force on a machine that runs: it replaces /usr,
// /etc and what else packages own under the running system, and tells systemd, so that
// what has changed is started again and everything else goes on.
//
// A [Change] is that from one generation to another. [Change.NeedsReboot] says what of it
// cannot be made while the machine runs; [Change.Apply] makes it, in this order:
//
//  1. the new generation is mounted aside
//  2. units that go, or that are started again, are stopped with their old files
//  3. the mounts are replaced (package livemount): no reader sees neither of both
//  4. kernel modules and parameters, temporary files, rules of udev and D-Bus are brought up to date, and systemd
//     reads its units
//  5. units are started, or told to read their configuration
//  6. the health checks of the new generation are carried out
//
// When something in 2 to 4 fails, or a required check does not hold, the old generation is
// put back in the same way. What is mounted, and which units are stopped, is noted in
// [StateName], which the next start of the machine clears: an Apply that was cut off is
// completed by the next, whatever generation that is about.
//
// # What is started again
//
// A unit is when its own files differ between the generations (drop-ins included), when it
// names a file in them that differs (the program, a file of variables, a configuration),
// or when one of its processes has a file mapped that differs: in a file system as Debian
// has it, the path of a program says nothing about its version. Some are left alone
// whatever has changed ([never]), because sessions or the machine would go with them.
package live
