// Package cache takes what somebody else has made, from directories and web
// servers: which object a derivation comes to, and the objects.
//
// A cache is a directory of plain files, which [Push] writes and any web server can
// serve:
//
//	sysc-cache                 the format's name
//	results/<2>/<62>           what a derivation came to, signed; by its hash
//	objects/<id>-<name>        where an object's stream is, what it builds on, signed
//	streams/<sha256>           an object as package export writes it, in zstd
//
// [Caches] ask several of them in order for a store. Nothing is believed that no
// trusted key vouches for: a result without such a signature is none, and an object
// without one is refused by export.Import before anything of it is written. A cache
// that does not answer, or lies, costs its time once; then it is not asked any more,
// and somebody is told.
//
// docs/formats.md has the files byte by byte.
package cache
