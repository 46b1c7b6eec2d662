//! Temperatures for upstreams whose scale ends at 1, where OpenAI's ends at 2.

crate::choices! {
    /// What becomes of a temperature above 1.
    pub enum Temperature {
        /// It becomes 1.
        Clamp = "clamp",
        /// Every temperature is halved, so that 2 becomes 1.
        Scale = "scale",
        /// It is sent as it is.
        Forward = "forward",
    }
}

impl Temperature {
    /// A temperature from 0 to 2 on a scale that ends at 1.
    pub fn scaled(self, temperature: f64) -> f64 {
        match self {
            Self::Clamp => temperature.min(1.0),
            Self::Scale => temperature / 2.0,
            Self::Forward => temperature,
        }
    }

    /// Whether this temperature is cut to the end of the shorter scale, of which a client has to be told.
    pub fn cuts(self, temperature: f64) -> bool {
        self == Self::Clamp && temperature > 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temperature_finds_its_place_on_the_shorter_scale() {
        for (policy, expected) in [
            (Temperature::Clamp, [0.5, 1.0, 1.0]),
            (Temperature::Scale, [0.25, 0.5, 1.0]),
            (Temperature::Forward, [0.5, 1.0, 2.0]),
        ] {
            assert_eq!([0.5, 1.0, 2.0].map(|temperature| policy.scaled(temperature)), expected, "{policy:?}");
            let cut = [0.5, 1.0, 2.0].map(|temperature| policy.cuts(temperature));
            assert_eq!(cut, [false, false, policy == Temperature::Clamp], "{policy:?}");
        }
    }
}
