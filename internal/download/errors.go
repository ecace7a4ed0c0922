package download

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"syscall"
)

// A HashError says that a file is not the one that was asked for.
type HashError struct {
	URL       string
	Want, Got [sha256.Size]byte
}

func (e *HashError) Error() string {
	return fmt.Sprintf("download %s: wrong content\n  expected sha256:%x\n  got      sha256:%x", e.URL, e.Want, e.Got)
}

// A StatusError says that a server answered with an HTTP status other than
// success.
type StatusError struct {
	URL  string
	Code int
}

func (e *StatusError) Error() string {
	text := fmt.Sprintf("download %s: server says %d %s", e.URL, e.Code, http.StatusText(e.Code))
	if e.Code == http.StatusUnauthorized {
		text += "\n  user names and passwords are taken from ~/.netrc, for https"
	}
	return text
}

// A TruncatedError says that a file ended too early. Want is -1 when a server
// broke off without having said how much there is.
type TruncatedError struct {
	URL       string
	Got, Want int64
}

func (e *TruncatedError) Error() string {
	if e.Want < 0 {
		return fmt.Sprintf("download %s: broke off after %d bytes", e.URL, e.Got)
	}
	return fmt.Sprintf("download %s: got %d bytes of %d", e.URL, e.Got, e.Want)
}

// A SizeError says that a file is longer than it may be, or that there is a shorter one.
type SizeError struct {
	URL   string
	Limit int64 // bytes
	// Short is set when there are only Got bytes.
	Short bool
	Got   int64
}

func (e *SizeError) Error() string {
	if e.Short {
		return fmt.Sprintf("download %s: the file has %d bytes, and not %d", e.URL, e.Got, e.Limit)
	}
	return fmt.Sprintf("download %s: longer than %d bytes", e.URL, e.Limit)
}

// A GoneError says that no address has a file, each in its own words.
type GoneError struct{ Cause error }

func (e *GoneError) Error() string { return e.Cause.Error() }

// Unwrap returns what each address said.
func (e *GoneError) Unwrap() error { return e.Cause }

// IsGone reports whether an address has no such file, or will not give it: mirrors answer
// 403 for what they do not have.
func IsGone(err error) bool {
	if status, ok := errors.AsType[*StatusError](err); ok {
		return status.Code == http.StatusNotFound || status.Code == http.StatusGone || status.Code == http.StatusForbidden
	}
	return errors.Is(err, fs.ErrNotExist)
}

// isElsewhere reports whether an address does not have the file, but nothing or another.
func isElsewhere(err error) bool {
	var wrong *HashError
	var length *SizeError
	return IsGone(err) || errors.As(err, &wrong) || errors.As(err, &length)
}

func (e *HashError) address() string      { return e.URL }
func (e *StatusError) address() string    { return e.URL }
func (e *TruncatedError) address() string { return e.URL }
func (e *SizeError) address() string      { return e.URL }

// IsTransient reports whether the same download may well work in a while: the
// server was busy, silent or unreachable, or the connection broke. Of several
// addresses, one such is enough.
func IsTransient(err error) bool {
	if err == nil || errors.Is(err, context.Canceled) {
		return false
	}
	for e := err; e != nil; e = errors.Unwrap(e) {
		if joined, ok := e.(interface{ Unwrap() []error }); ok {
			return slices.ContainsFunc(joined.Unwrap(), IsTransient)
		}
	}
	var status *StatusError
	if errors.As(err, &status) {
		return status.Code >= 500 || status.Code == http.StatusTooManyRequests || status.Code == http.StatusRequestTimeout
	}
	var truncated *TruncatedError
	var network net.Error
	var lookup *net.DNSError
	switch {
	case errors.As(err, &lookup):
		return !lookup.IsNotFound
	case errors.As(err, &truncated), errors.Is(err, errSilent), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return true
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EPIPE),
		errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return true
	}
	return errors.As(err, &network) && network.Timeout()
}

// advice says what to do about an error, on a line of its own, or "".
func advice(err error) string {
	var unknown x509.UnknownAuthorityError
	if errors.As(err, &unknown) {
		return "\n  to trust an authority of your own, name the file of its certificate in SSL_CERT_FILE"
	}
	return ""
}
