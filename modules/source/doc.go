// Package source knows where modules come from: it reads the addresses that
// module blocks have ([Parse]), chooses versions among tags ([Choose]), and gets
// trees of files into a store ([Fetcher]).
//
// An address is Terraform's: git repositories and archives, with a directory in
// them behind "//" and a branch, tag or commit behind "?ref=". What a repository
// says runs nothing: it is fetched as package gitfetch does it.
package source
