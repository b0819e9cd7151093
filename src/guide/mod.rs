#![doc = include_str!("README.md")]

use crate::*;

#[doc = include_str!("score.md")]
pub mod score {
    use crate::*;
}

#[doc = include_str!("simulate.md")]
pub mod simulate {
    use crate::*;
}

#[doc = include_str!("bias.md")]
pub mod bias {
    use crate::*;
}

#[cfg(feature = "wgpu")]
#[doc = include_str!("device.md")]
pub mod device {
    use crate::*;
}

#[doc = include_str!("restart.md")]
pub mod restart {
    use crate::*;
}

#[doc = include_str!("several_devices.md")]
pub mod several_devices {
    use crate::*;
}

#[doc = include_str!("architecture.md")]
pub mod architecture {
    use crate::*;
}
