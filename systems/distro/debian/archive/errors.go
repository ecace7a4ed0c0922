package archive

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"

	"sysc/store"
)

// A Reason says what is wrong with a signature.
type Reason string

const (
	NotSigned    Reason = "not signed"
	UnknownKey   Reason = "unknown key"
	BadSignature Reason = "bad signature"
	ExpiredKey   Reason = "expired key"
	WeakHash     Reason = "weak hash"
)

// A SignatureError says that a Release file is not signed by who it should be
// signed by.
type SignatureError struct {
	// File names what was checked: an URL or a mirror's name and a path.
	File string
	// Reason is the worst of what was found: a bad signature by a known key
	// comes before an unknown key.
	Reason Reason
	// KeyIDs are the keys that the signatures name, Trusted those that would do;
	// 16 hexadecimal digits each.
	KeyIDs  []string
	Trusted []string
	Cause   error
}

// add notes one signature that is no good.
func (e *SignatureError) add(id string, err error) {
	if !slices.Contains(e.KeyIDs, id) {
		e.KeyIDs = append(e.KeyIDs, id)
	}
	reason := BadSignature
	switch {
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		reason = UnknownKey
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureExpired), errors.Is(err, pgperrors.ErrKeyRevoked):
		reason = ExpiredKey
	case errors.Is(err, errWeakHash):
		reason = WeakHash
	}
	if e.Reason == "" || e.Reason == UnknownKey {
		e.Reason, e.Cause = reason, err
	}
}

// Error says what is wrong, with which keys, and which ones are trusted.
func (e *SignatureError) Error() string {
	keys, trusted := strings.Join(e.KeyIDs, ", "), strings.Join(e.Trusted, ", ")
	switch e.Reason {
	case NotSigned:
		return fmt.Sprintf("verify %s: not signed: %v", e.File, e.Cause)
	case UnknownKey:
		return fmt.Sprintf("verify %s: signed by %s, which is none of the trusted keys %s", e.File, keys, trusted)
	case BadSignature:
		return fmt.Sprintf("verify %s: bad signature (key %s): the file was changed after it was signed", e.File, keys)
	case ExpiredKey:
		return fmt.Sprintf("verify %s: signed by %s, but %v", e.File, keys, e.Cause)
	case WeakHash:
		return fmt.Sprintf("verify %s: signed by %s over a hash that is too weak", e.File, keys)
	}
	return fmt.Sprintf("verify %s: %v", e.File, e.Cause)
}

// Unwrap returns the cause.
func (e *SignatureError) Unwrap() error { return e.Cause }

// An ExpiredError says that a Release file is from the past (its Valid-Until is
// over), or from the future.
type ExpiredError struct {
	File       string
	Date       time.Time
	ValidUntil time.Time // zero when the file is from the future
	Now        time.Time
}

// Error says since when, and what may be the cause.
func (e *ExpiredError) Error() string {
	if e.ValidUntil.IsZero() {
		return fmt.Sprintf("verify %s: dated %s, which is in the future: is the clock right?", e.File, e.Date.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("verify %s: expired at %s (now %s): the mirror is out of date, or someone replays an old state",
		e.File, e.ValidUntil.UTC().Format(time.RFC3339), e.Now.UTC().Format(time.RFC3339))
}

// A MalformedError says that a file, which is signed, holds what it may not.
type MalformedError struct {
	File  string
	Cause error
}

func (e *MalformedError) Error() string { return fmt.Sprintf("read %s: %v", e.File, e.Cause) }

// Unwrap returns the cause.
func (e *MalformedError) Unwrap() error { return e.Cause }

// A ReplayError says that a Release file is older than one that was seen before.
type ReplayError struct {
	File        string
	Date, Known time.Time
}

// Error tells both dates, and what may be the cause.
func (e *ReplayError) Error() string {
	return fmt.Sprintf("verify %s: dated %s, and sysc.lock has a state of %s already: the mirror is out of date, or someone replays an old state; what is wanted nevertheless is taken by sysc update --allow-downgrade",
		e.File, e.Date.UTC().Format(time.RFC3339), e.Known.UTC().Format(time.RFC3339))
}

// A MismatchError says that a file is not what the signed Release file says.
type MismatchError struct {
	File              string
	WantSize, GotSize int64
	Want, Got         store.Digest
}

// Error tells both sizes, or both digests.
func (e *MismatchError) Error() string {
	if e.WantSize != e.GotSize {
		what := "has"
		if e.GotSize < e.WantSize {
			what = "is truncated: it has"
		}
		return fmt.Sprintf("verify %s: the file %s %d bytes, the signed Release file says %d", e.File, what, e.GotSize, e.WantSize)
	}
	return fmt.Sprintf("verify %s: digest is %s, the signed Release file says %s", e.File, e.Got, e.Want)
}
