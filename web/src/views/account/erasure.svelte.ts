/** The receipt of an account that is being erased: nobody is signed in any more who could ask for it later. */

import type { ErasureBegun } from "@parley/client";

class Receipt {
  begun = $state.raw<ErasureBegun | null>(null);
}

export const receipt = new Receipt();
