//! WHAT WE CAN PROVE about our own rows. Nothing here changes an order, moves money or calls anybody; a question that
//! could not be asked is never a yes (L3).

pub mod compare;
pub mod evidence;
pub mod gate;
pub mod integrity;
pub mod lookout;
pub mod readiness;
pub mod reconcile;
pub mod score;
