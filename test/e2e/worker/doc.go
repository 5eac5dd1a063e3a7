// Package worker runs cachepot-dist worker with clients that nobody here wrote, and with
// some that mean harm. Only tests are in it.
package worker
