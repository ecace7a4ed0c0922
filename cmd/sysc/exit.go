package main

import (
	"context"
	"errors"
	"syscall"

	"sysc/derivations/build"
	"sysc/derivations/builtin"
	"sysc/internal/download"
	"sysc/internal/gitfetch"
	"sysc/internal/ocifetch"
	"sysc/lang/diag"
	"sysc/modules"
	"sysc/modules/source"
	"sysc/systems/boot"
	"sysc/systems/distro/debian"
)

// Exit codes, as `sysc help exit-codes` lists them and the tests hold them.
const (
	exitOK              = 0
	exitError           = 1   // an error in the definition, in usage, or of the machine
	exitChanges         = 2   // plan --detailed-exitcode: there are changes; lock --check: there have to be
	exitFormat          = 3   // fmt --check: a file has another layout
	exitSpace           = 4   // switch, rollback: the boot partition has not enough room, nothing was changed
	exitVerification    = 5   // a signature or hash is wrong, too old, or of what cannot be read
	exitNotReproducible = 6   // build --check: a program makes something else in other circumstances
	exitRefused         = 7   // switch FILE: not what the plan was made for; update: something would go back in time, or is held
	exitVulnerable      = 8   // cve: there is something
	exitBuild           = 10  // a build failed
	exitTimeout         = 11  // a build took too long
	exitTransient       = 12  // network, disk or memory full: the same command may work later
	exitUnhealthy       = 20  // health: a required check failed
	exitNotActivated    = 21  // not activated, the state is as before
	exitInterrupted     = 130 // Ctrl-C
)

// An exitCode is an error that chooses the exit code. A nil cause means that
// everything there was to say has been said.
type exitCode struct {
	code  int
	cause error
}

func (e *exitCode) Error() string {
	if e.cause == nil {
		return ""
	}
	return e.cause.Error()
}

func (e *exitCode) Unwrap() error { return e.cause }

// exitCodeOf tells which code an error ends the process with.
func exitCodeOf(err error) int {
	var chosen *exitCode
	var wrongHash *download.HashError
	var tooLong *download.SizeError
	var wrongIndex *debian.MismatchError
	var wrongResult *build.MismatchError
	var wrongSignature *debian.SignatureError
	var replayed *debian.ReplayError
	var refused *modules.RefusedError
	var moved *source.MovedError
	var rewritten *source.RewrittenError
	var wrongTree *source.TreeError
	var wrongCopy *source.VendorError
	var wrongFile *source.VendorFileError
	var wrongImage *ocifetch.VerifyError
	var noRoom *boot.SpaceError
	var expired *debian.ExpiredError
	var malformedIndex *debian.MalformedError
	var malformed *builtin.MalformedError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &wrongHash), errors.As(err, &tooLong), errors.As(err, &wrongIndex), errors.As(err, &wrongResult), errors.As(err, &wrongSignature),
		errors.As(err, &moved), errors.As(err, &rewritten), errors.As(err, &wrongTree), errors.As(err, &wrongCopy), errors.As(err, &wrongFile), errors.As(err, &wrongImage),
		errors.As(err, &expired), errors.As(err, &malformedIndex), errors.As(err, &malformed):
		return exitVerification
	case errors.As(err, &noRoom):
		return exitSpace
	case errors.As(err, &replayed), errors.As(err, &refused):
		return exitRefused
	case isDiskFull(err), errors.Is(err, syscall.ENOMEM), download.IsTransient(err), gitfetch.IsTransient(err), ocifetch.IsTransient(err):
		return exitTransient
	case errors.As(err, &chosen):
		return chosen.code
	}
	return exitError
}

func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// errDiagnostics stands for diagnostics that have been printed.
func errDiagnostics(diags diag.List) error {
	if !diags.HasErrors() {
		return nil
	}
	return &exitCode{code: exitError}
}
