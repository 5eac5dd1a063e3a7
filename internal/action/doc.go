// Package action defines what a compilation is: the canonical form of a command
// (an Action of the Remote Execution API), the set of paths that it looks at,
// and the digest that is its key in every tier. docs/spec/action.md is its
// specification.
//
// It imports only digest and the API's generated messages; it reads no file.
package action
