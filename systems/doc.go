// Package systems is what a machine is: [Definition] is one system as its
// options say, [Compose] turns it into derivations, [Load] reads what they made.
// There is no HCL here, and nothing is built here.
//
// A [Manifest] lists what a system is made of; it is known from a definition
// before anything is built ([MakeManifest]), and stands in the system object
// afterwards. [Diff] compares two of them and [Render] prints the difference.
//
// Below it: distro/* make roots out of a distribution's packages, generation
// numbers and records systems, activate makes one the running state, boot writes
// boot entries, rootdir changes files of a machine without leaving its directory.
package systems
