// FHIR is read with care: any element may be missing, and what is there may be of another type.

export type Resource = { resourceType: string; id?: string } & Record<string, unknown>;

export interface Bundle {
  total?: number;
  entry?: { resource?: Resource }[];
}
