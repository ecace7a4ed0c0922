package ocifetch

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"sysc/internal/download"
)

// An Error is a registry that did not give what was asked for, or could not be
// asked.
type Error struct {
	// What was asked for: a reference, or a repository.
	What  string
	cause error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("fetch image %s: %v", e.What, e.cause)
	switch e.status() {
	case http.StatusUnauthorized, http.StatusForbidden:
		text += "\n  there is no such image, or it is private: passwords are taken from ~/.netrc, and from what docker login or podman login has written"
	}
	return text
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) status() int {
	var failed *transport.Error
	if errors.As(e.cause, &failed) {
		return failed.StatusCode
	}
	return 0
}

// A MissingError says that a registry has nothing of that name.
type MissingError struct{ What string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("fetch image %s: the registry has no such image", e.What)
}

// A VerifyError says that what a registry gave is not, or cannot be, what was
// asked for. Trying again does not help.
type VerifyError struct {
	What  string
	Cause error
}

func (e *VerifyError) Error() string { return fmt.Sprintf("image %s: %v", e.What, e.Cause) }

// Unwrap returns the cause.
func (e *VerifyError) Unwrap() error { return e.Cause }

// A PlatformError says that an image is for other platforms.
type PlatformError struct {
	What string
	Want string
	// Has are the platforms that there are, as in "linux/arm/v7".
	Has []string
}

func (e *PlatformError) Error() string {
	return fmt.Sprintf("image %s: there is nothing for %s in it%s", e.What, e.Want, listed(e.Has))
}

func listed(platforms []string) string {
	if len(platforms) == 0 {
		return ""
	}
	text := ", only for "
	for i, p := range platforms {
		if i > 0 {
			text += ", "
		}
		text += p
	}
	return text
}

// errSilent is why an answer is not waited for any longer.
var errSilent = errors.New("the registry fell silent")

// IsTransient reports whether asking again may well work in a while.
func IsTransient(err error) bool {
	var failed *transport.Error
	switch {
	case err == nil:
		return false
	case errors.Is(err, errSilent):
		return true
	case errors.As(err, &failed):
		return failed.StatusCode >= 500 || failed.StatusCode == http.StatusTooManyRequests || failed.StatusCode == http.StatusRequestTimeout
	}
	return errors.As(err, new(*Error)) && download.IsTransient(err)
}
