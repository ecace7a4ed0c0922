// Package debiantest makes small Debian archives for tests: real packages in a
// real, signed archive, out of directories as dpkg-deb --build takes them.
//
// [Build] writes one package, [Archive] collects packages and writes the
// indexes, [Tools] makes the one package that a root needs to configure itself,
// out of the programs of the machine that the test runs on.
package debiantest
