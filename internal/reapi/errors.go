package reapi

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Unfit is the error for a service that cannot be used as it is configured, however
// often it is asked.
type Unfit struct{ Address, Why string }

func (u *Unfit) Error() string { return u.Address + " " + u.Why }

// Failure is the error of a call to a service.
type Failure struct {
	Address string
	What    string // what was to be done
	Code    codes.Code
	Message string // the service's words, on one line
	// Nameless: the connection is secure, and we show no certificate. A service that
	// wants one may close it before its words arrive.
	Nameless bool
}

// Error tells what failed in one line, and what a user can do where that is known.
func (f *Failure) Error() string {
	text := fmt.Sprintf("%s: cannot %s: %s", f.Address, f.What, f.Code)
	if f.Message != "" {
		text += ": " + f.Message
	}
	if hint := f.hint(); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}

func (f *Failure) hint() string {
	switch f.Code {
	case codes.Unavailable:
		if f.Nameless {
			return "check that it runs, that dist.scheduler_url is its address, and whether it wants a client's certificate, dist.tls.certificate"
		}
		return "check that it runs and that dist.scheduler_url is its address"
	case codes.Unauthenticated, codes.PermissionDenied:
		return "check dist.auth and dist.headers"
	case codes.Unimplemented:
		return "it is no Remote Execution service, or lacks a part of one"
	case codes.InvalidArgument:
		return "check dist.instance"
	}
	return ""
}

// lasting reports whether asking again cannot help.
func (f *Failure) lasting() bool {
	switch f.Code {
	case codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented, codes.Canceled, codes.DeadlineExceeded:
		return true
	}
	return false
}

// Gone reports whether err says that the service could not be reached or did not
// answer, as against one that has answered.
func Gone(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && (f.Code == codes.Unavailable || f.Code == codes.DeadlineExceeded)
}

// failed makes the error of a call.
func (c *Client) failed(what string, err error) error {
	if errors.Is(err, context.Canceled) {
		return &Failure{Address: c.Address(), What: what, Code: codes.Canceled}
	}
	s := status.Convert(err)
	return c.refused(what, s.Code(), s.Message())
}

// refused makes the error of a call that the service has answered with a code.
func (c *Client) refused(what string, code codes.Code, message string) error {
	secure := c.config.TLS
	return &Failure{Address: c.Address(), What: what, Code: code, Message: oneLine(message),
		Nameless: secure != nil && len(secure.Certificates) == 0 && secure.GetClientCertificate == nil}
}

// maxWords bounds what is shown of a service's own words.
const maxWords = 300

func oneLine(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > maxWords {
		text = strings.ToValidUTF8(text[:maxWords], "") + "..."
	}
	return text
}
