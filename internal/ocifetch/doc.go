// Package ocifetch gets images and artifacts from registries by the protocol of
// the OCI Distribution Specification 1.1, and reads their manifests.
//
// Everything that a registry says is hostile. What is fetched by digest is
// compared with it before anybody reads it; manifests, lists of tags and tokens are
// limited in size and time. Requests go over TLS with a certificate that somebody
// vouches for, or to this machine. Passwords are for the registry that they belong
// to, and for the server of tokens that this one names.
//
// A [Reference] is a checked name of an image, a [Client] asks registries, a
// [Manifest] is what an image consists of. Layers are files like others: the
// package says with which client and at which address package download gets them.
package ocifetch
