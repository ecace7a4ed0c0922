// Package dpkg lays unpacked packages out as dpkg(1) would have, without running
// it: [Compose] is a build step that merges their trees and writes dpkg's
// database beside them, with every package "unpacked"; [ConfigureScript] then
// runs in that root and has dpkg configure them.
//
// Only listings are merged. Of files, those that dpkg's database needs are read:
// control members, and conffiles for their MD5. What the database must contain
// was found by experiment against dpkg 1.21 and 1.22 and is tested against the
// real one.
package dpkg
