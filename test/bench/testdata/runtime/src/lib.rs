//! The least of a Substrate runtime: one that knows the pallets of accounts.
pub use frame_system::Event as SystemEvent;
pub use pallet_balances::Event as BalancesEvent;
