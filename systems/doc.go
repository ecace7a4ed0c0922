// Package systems is what a machine is: [Definition] is one system as its
// options say, [Compose] turns it into derivations, [Load] reads what they made.
// There is no HCL here, and nothing is built here.
//
// Below it: distro/* make roots out of a distribution's packages, generation
// numbers and records systems, activate makes one the running state, boot writes
// boot entries.
package systems
