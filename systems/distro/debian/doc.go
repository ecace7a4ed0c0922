// Package debian makes roots out of Debian's packages.
//
// Two things happen at two times. When a definition is locked, the signed
// indexes of the archives are read and packages are chosen:
//
//	Settings --Archives--> []Archive --Update--> Revision --ReadUniverse--> *Universe --Resolve--> []Package
//
// A [Revision] and the [Package]s go into the lock file. When a definition is
// evaluated, [Root] turns the locked packages into derivations, without the
// network: one that fetches and one that unpacks each package, one that lays
// them out side by side as dpkg would ("builtin:debian-root", package dpkg
// below), and one that runs their maintainer scripts in the sandbox.
//
// Nothing is believed that a trusted key has not signed, directly or by digest,
// and no name of a mirror becomes part of a derivation or a lock file.
package debian
