// Package gitfetch gets commits of remote repositories through the host's git,
// and reads what is in them.
//
// Both ends are hostile: the address comes from a definition or from the file of
// submodules of somebody's repository, everything else from a server. So git
// runs with an environment of its own and no configuration of the user or the
// system, without hooks, filters, attributes, credentials, prompts or replaced
// objects; with the one protocol that the address has; in a session of its own,
// which ends with the context; within limits of size and silence. Nothing is ever
// checked out: contents are read as objects, so that they are the same whatever
// git's version and settings, and names are checked before anybody sees them.
//
// A [Remote] is a checked address, a [Client] fetches, a [Repository] reads.
package gitfetch
